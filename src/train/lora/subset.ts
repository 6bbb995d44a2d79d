import { existsSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { type BucketPlace, placeInBucket, type Size } from '../../dataset/buckets.ts'
import { captionedPictures } from '../../dataset/trainingFolder.ts'
import { StudioError } from '../../errors.ts'
import { decodePicture } from '../../image/decode.ts'
import type { DatasetSettings, SubsetSettings } from './datasets.ts'

/** A picture of a training's data. */
export interface DataPicture {
  readonly path: string
  /** Its caption's lines; what the folder is called where there is none. */
  readonly caption: string
  readonly size: Size
  /** A picture whose red says what each pixel counts. */
  readonly mask: string | undefined
  readonly place: BucketPlace
  readonly subset: SubsetSettings
}

/**
 * The pictures of a subset with their captions, in their buckets. What cannot be read, or has no place, is left out and
 * named in the notes; so is what a person should know of the captions.
 */
export async function readSubset(
  subset: SubsetSettings,
  { buckets, resolution }: DatasetSettings,
  table: readonly Size[],
  notes: string[],
): Promise<readonly DataPicture[]> {
  const found = captionedPictures(subset.folder, subset.captionExtension)
  const without = found.filter(({ caption }) => caption === undefined)
  const empty = found.filter(({ caption }) => caption === '')
  const listed = (pictures: readonly { path: string }[]) =>
    pictures
      .slice(0, 5)
      .map(({ path }) => basename(path))
      .join(', ') + (pictures.length > 5 ? ` … and ${pictures.length - 5} more` : '')
  if (without.length > 0) {
    const instead = subset.classTokens === undefined ? 'learnt without any' : `"${subset.classTokens}" is used`
    notes.push(
      `${basename(subset.folder)}: ${without.length} of ${found.length} pictures have no caption (${listed(without)}); ${instead}`,
    )
  }
  if (empty.length > 0) notes.push(`${basename(subset.folder)}: empty captions of ${listed(empty)}`)
  const severalLines = found.filter(({ caption }) => caption?.includes('\n'))
  if (severalLines.length > 0 && !subset.captions.hasWildcards) {
    notes.push(`${basename(subset.folder)}: only the first line counts in the captions of ${listed(severalLines)}`)
  }
  const masks = subset.maskFolder === undefined ? undefined : masksIn(subset.maskFolder)
  const pictures: DataPicture[] = []
  const leftOut: string[] = []
  for (const { path, caption } of found) {
    const mask = masks && maskOf(path, masks)
    try {
      // Read to its end now: what breaks off in the midst shall not break a training off.
      const { width, height } = await decodePicture(path)
      const size: Size = [width, height]
      const place = buckets ? placeInBucket(size, buckets, table) : coverOf(size, resolution)
      pictures.push({ path, caption: caption ?? subset.classTokens ?? '', size, mask, place, subset })
    } catch (error) {
      if (!(error instanceof StudioError)) throw error
      leftOut.push(`${basename(path)} (${error.message})`)
    }
  }
  if (leftOut.length > 0) {
    notes.push(
      `${basename(subset.folder)}: ${leftOut.length} of ${found.length} pictures left out: ${leftOut.join('; ')}`,
    )
  }
  return pictures
}

/** The pictures of a folder of masks by their names without extension. */
function masksIn(folder: string): ReadonlyMap<string, string> {
  if (!existsSync(folder)) {
    throw new StudioError('missing-file', `conditioning_data_dir: ${folder} does not exist`, {
      field: 'conditioning_data_dir',
    })
  }
  return new Map(captionedPictures(folder, undefined).map(({ path }) => [stemOf(path), path]))
}

function maskOf(picture: string, masks: ReadonlyMap<string, string>): string {
  const mask = masks.get(stemOf(picture))
  if (mask !== undefined) return mask
  throw new StudioError('missing-file', `conditioning_data_dir: no mask is called as ${basename(picture)} is`, {
    field: 'conditioning_data_dir',
  })
}

function stemOf(path: string): string {
  return basename(path, extname(path))
}

/** The place of a picture where all get one size. */
function coverOf([width, height]: Size, bucket: Size): BucketPlace {
  const scale = Math.max(bucket[0] / width, bucket[1] / height)
  const side = (length: number, least: number) => Math.max(least, Math.floor(length * scale + 0.5))
  return {
    bucket,
    resized: [side(width, bucket[0]), side(height, bucket[1])],
    ratioError: bucket[0] / bucket[1] - width / height,
  }
}
