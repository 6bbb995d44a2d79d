import { basename, extname } from 'node:path'
import type { BucketPlace, Size } from '../../dataset/buckets.ts'
import { includedPictures, openSet } from '../../dataset/pictureSet.ts'
import { repeatedFolders } from '../../dataset/trainingFolder.ts'
import { StudioError } from '../../errors.ts'
import { decodePicture } from '../../image/decode.ts'
import type { PlacedPicture } from '../posteriorCache.ts'
import { fileWords, type NameReading } from './texts.ts'

/** A picture that an embedding is learnt from. */
export interface EmbeddingPicture extends PlacedPicture {
  /** What is said of it. */
  readonly words: string
  readonly isOpaque: boolean
}

interface EmbeddingData {
  /** Pictures, each as often as an epoch draws it. */
  readonly pictures: readonly EmbeddingPicture[]
  /** What a person should know of them. */
  readonly notes: readonly string[]
}

interface DataReading {
  /** What all pictures are brought to; undefined where each keeps its own size. */
  readonly size: Size | undefined
  /** What sides of pictures are multiples of: the autoencoder's scale. */
  readonly step: number
  readonly names: NameReading
}

/**
 * The pictures of a folder, or of its folders `<repeats>_<name>`, with the text beside each or else the words of its name.
 * As A1111 does, a picture is stretched to the size; one that keeps its own loses what is over a multiple of 8.
 */
export async function readPictures(folder: string, { size, step, names }: DataReading): Promise<EmbeddingData> {
  repeatedFolders(folder, 'data_root') // names the parameter where there are none
  const set = openSet(folder, { captionExtension: 'txt' })
  const leftOut = set.problems.map(({ name, problem }) => `${name} (${problem})`)
  const pictures: EmbeddingPicture[] = []
  let stretched = 0
  for (const { path, name, caption, captionProblem, folder: home } of includedPictures(set)) {
    try {
      // Read to its end now: what breaks off in the midst shall not break a training off.
      const { width, height, channels } = await decodePicture(path)
      if (captionProblem !== undefined) throw new StudioError('bad-file', `its text: ${captionProblem}`)
      const place = size ? { bucket: size, resized: size, ratioError: 0 } : ownPlace([width, height], step)
      if (size && Math.abs(Math.log((width * size[1]) / (height * size[0]))) > 0.02) stretched++
      const words = fileWords(caption, basename(path, extname(path)), names)
      const picture: EmbeddingPicture = {
        path,
        words,
        place,
        mask: undefined,
        subset: reading,
        isOpaque: channels !== 4,
      }
      for (let i = 0; i < home.repeats; i++) pictures.push(picture)
    } catch (error) {
      if (!(error instanceof StudioError)) throw error
      leftOut.push(`${name} (${error.message})`)
    }
  }
  const notes: string[] = []
  if (leftOut.length > 0) notes.push(`data_root: left out: ${leftOut.join('; ')}`)
  if (pictures.length === 0) {
    throw new StudioError('missing-file', `data_root: no picture to learn from${notes.map((note) => `; ${note}`)}`, {
      field: 'data_root',
    })
  }
  if (stretched > 0 && size) {
    notes.push(
      `data_root: ${stretched} pictures have other proportions than ${size.join('×')} and are stretched; varsize leaves them`,
    )
  }
  return { pictures, notes }
}

/** How pictures are resized: as the reference does. */
const reading = { resizing: 'bicubic', isRandomlyCropped: false } as const

function ownPlace(size: Size, step: number): BucketPlace {
  const bucket = size.map((side) => Math.floor(side / step) * step) as [number, number]
  if (bucket[0] > 0 && bucket[1] > 0) return { bucket, resized: size, ratioError: 0 }
  throw new StudioError('bad-file', `${size.join('×')} pixels, expected at least ${step}×${step}`)
}
