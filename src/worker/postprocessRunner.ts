import { openDescriber } from '../dataset/tagging/describe.ts'
import { StudioError } from '../errors.ts'
import { encodePng } from '../image/encode.ts'
import type { Rgb8 } from '../image/picture.ts'
import type { PostprocessResult } from '../jobs/task.ts'
import { type Description, postprocess } from '../pipeline/postprocess.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { Runner } from './runner.ts'

/** Enlarges finished pictures, one after the other, or finds words for them. */
export function postprocessRunner(studio: Studio): Runner<'postprocess'> {
  return async ({ pictures, settings }, { signal, interrupt, report, stage }) => {
    if (settings.description) return described(pictures, settings.description, studio)
    const outputs: string[] = []
    const infotexts: string[] = []
    for (const [i, source] of pictures.entries()) {
      if (signal.aborted) throw new StudioError('cancelled', 'stopped on request')
      if (interrupt.aborted) break
      const { picture, infotext } = await postprocess(studio, source, settings)
      outputs.push(await stage(`${i}.png`, await encodePng(picture)))
      infotexts.push(infotext)
      const done = { pass: 'first', batch: i, batches: pictures.length, step: 1, steps: 1, preview: undefined } as const
      report({ kind: 'step', ...done, fraction: (i + 1) / pictures.length })
    }
    return { pictures: [], outputs, infotexts }
  }
}

async function described(
  pictures: readonly Rgb8[],
  wanted: Description,
  { threads }: Studio,
): Promise<PostprocessResult> {
  const describer = await openDescriber(wanted, threads)
  try {
    const infotexts: string[] = []
    for (const picture of pictures) infotexts.push(await describer.describe(picture))
    return { pictures: [], outputs: [], infotexts }
  } finally {
    await describer.dispose()
  }
}
