import { readFile } from 'node:fs/promises'
import { pictureSize } from '../image/decode.ts'
import { parseInfotext } from '../image/parseInfotext.ts'
import { readInfotext } from '../image/readInfotext.ts'

/** What a picture file says about itself. */
export interface PictureFacts {
  readonly width: number
  readonly height: number
  readonly infotext: string
  readonly prompt: string
  readonly negativePrompt: string
  readonly model: string | undefined
  readonly seed: number | undefined
}

/** Reads a picture's header and text; undefined where it is no picture. */
export async function describePicture(path: string): Promise<PictureFacts | undefined> {
  try {
    const bytes = await readFile(path)
    const { infotext = '' } = await readInfotext(bytes)
    return factsOf({ ...(await pictureSize(path)), infotext })
  } catch {
    return undefined
  }
}

/** What an infotext tells about its picture. */
export function factsOf(known: Pick<PictureFacts, 'width' | 'height' | 'infotext'>): PictureFacts {
  const { width, height, infotext } = known
  const { prompt, negativePrompt, values } = parseInfotext(infotext)
  const seed = Number(values.get('Seed'))
  const model = values.get('Model')
  return {
    ...{ width, height, infotext, prompt, negativePrompt },
    model: typeof model === 'string' ? model : undefined,
    seed: Number.isSafeInteger(seed) ? seed : undefined,
  }
}
