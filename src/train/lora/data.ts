import { existsSync } from 'node:fs'
import { basename, dirname, extname } from 'node:path'
import { type BucketPlace, bucketTable, placeInBucket, type Size } from '../../dataset/buckets.ts'
import { captionedPictures } from '../../dataset/trainingFolder.ts'
import { StudioError } from '../../errors.ts'
import { pictureSize } from '../../image/decode.ts'
import { pythonRandom } from '../../tensor/pythonRandom.ts'
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

/** Pictures of one size that are learnt from together. */
export type PictureBatch = readonly DataPicture[]

/** One dataset, its pictures in their buckets. */
export interface PlacedDataset {
  readonly settings: DatasetSettings
  /** Pictures, each as often as an epoch draws it. */
  readonly train: readonly DataPicture[]
  readonly validation: readonly DataPicture[]
}

export interface TrainingData {
  readonly datasets: readonly PlacedDataset[]
  /** What a person should know of the pictures and captions. */
  readonly notes: readonly string[]
}

/** Reads folders, captions and the sizes of pictures, and puts every picture into its bucket. */
export async function readTrainingData(all: readonly DatasetSettings[], seed: number): Promise<TrainingData> {
  const notes: string[] = []
  const datasets: PlacedDataset[] = []
  for (const settings of all) {
    const table = settings.buckets ? bucketTable(settings.buckets) : []
    const seen = new Set<string>()
    const groups: { pictures: readonly DataPicture[]; validation: readonly DataPicture[]; subset: SubsetSettings }[] =
      []
    for (const subset of settings.subsets) {
      if (seen.has(subset.folder)) {
        notes.push(`${subset.folder}: named twice, the first counts`)
        continue
      }
      seen.add(subset.folder)
      const pictures = await readSubset(subset, settings, table, notes)
      groups.push({ subset, ...split(pictures, subset, settings, seed) })
    }
    const train = groups
      .filter(({ subset }) => !subset.isRegularization)
      .flatMap(({ pictures, subset }) => repeated(pictures, subset.repeats))
    const regularization = groups.filter(({ subset }) => subset.isRegularization)
    const kept = balanced(regularization, train.length)
    if (regularization.length > 0 && kept.length === 0) notes.push('reg_data_dir: no pictures')
    datasets.push({ settings, train: [...train, ...kept], validation: groups.flatMap(({ validation }) => validation) })
  }
  if (datasets.every(({ train }) => train.length === 0)) {
    throw new StudioError('missing-file', 'train_data_dir: no pictures to learn from', { field: 'train_data_dir' })
  }
  return { datasets, notes }
}

async function readSubset(
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
  for (const { path, caption } of found) {
    const { width, height } = await pictureSize(path)
    const size: Size = [width, height]
    const place = buckets ? inBucket(path, size, () => placeInBucket(size, buckets, table)) : coverOf(size, resolution)
    const mask = masks && maskOf(path, masks)
    pictures.push({ path, caption: caption ?? subset.classTokens ?? '', size, mask, place, subset })
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

function inBucket(path: string, size: Size, place: () => BucketPlace): BucketPlace {
  try {
    return place()
  } catch (error) {
    if (!(error instanceof StudioError)) throw error
    throw new StudioError(error.code, `${path} (${size.join('×')}): ${error.message}`, { cause: error, field: path })
  }
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

/** A share of a folder's pictures, drawn with one seed, so that no picture is on both sides. */
function split(
  pictures: readonly DataPicture[],
  subset: SubsetSettings,
  { validation }: DatasetSettings,
  seed: number,
) {
  if (validation.share === 0 || subset.isRegularization) return { pictures, validation: [] }
  const shuffled = pythonRandom(validation.seed ?? seed).shuffled(pictures)
  const kept = Math.ceil(pictures.length * (1 - validation.share))
  return { pictures: shuffled.slice(0, kept), validation: shuffled.slice(kept) }
}

function repeated(pictures: readonly DataPicture[], repeats: number): readonly DataPicture[] {
  return pictures.flatMap((picture) => new Array<DataPicture>(repeats).fill(picture))
}

/**
 * As many pictures of regularization as there are of training, whatever their folders say: their repeats as far as these
 * go, then one more of each in turn.
 */
function balanced(
  groups: readonly { pictures: readonly DataPicture[]; subset: SubsetSettings }[],
  count: number,
): readonly DataPicture[] {
  const all = groups.flatMap(({ pictures, subset }) =>
    pictures.map((picture) => ({ picture, repeats: subset.repeats })),
  )
  if (all.length === 0) return []
  const kept: DataPicture[] = []
  let isFirst = true
  while (kept.length < count) {
    for (const { picture, repeats } of all) {
      if (kept.length >= count) break
      kept.push(...repeated([picture], isFirst ? repeats : 1))
    }
    isFirst = false
  }
  return kept
}

/** The batches of an epoch, counted from 1: buckets and their order shuffled anew, the short last ones kept. */
export function epochBatches(datasets: readonly PlacedDataset[], epoch: number, seed: number): readonly PictureBatch[] {
  const random = pythonRandom(seed + epoch)
  const batches = datasets.flatMap(({ train, settings }) =>
    [...inBuckets(train).values()].flatMap((pictures) => batched(random.shuffled(pictures), settings.batch)),
  )
  return random.shuffled(batches)
}

/** The batches that a network is judged by, always the same. */
export function validationBatches(
  datasets: readonly PlacedDataset[],
  limit: number | undefined,
): readonly PictureBatch[] {
  const batches = datasets.flatMap(({ validation, settings }) =>
    [...inBuckets(validation).values()].flatMap((pictures) => batched(pictures, settings.batch)),
  )
  return batches.slice(0, limit)
}

/** Batches of an epoch. */
export function batchCount(datasets: readonly PlacedDataset[]): number {
  return epochBatches(datasets, 1, 0).length
}

/** Pictures by bucket, narrow ones first. */
export function inBuckets(pictures: readonly DataPicture[]): ReadonlyMap<string, readonly DataPicture[]> {
  const buckets = new Map<string, DataPicture[]>()
  for (const picture of pictures) {
    const key = picture.place.bucket.join('×')
    buckets.set(key, [...(buckets.get(key) ?? []), picture])
  }
  const order = (key: string) => key.split('×').map(Number) as [number, number]
  return new Map([...buckets].sort(([a], [b]) => order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1]))
}

function batched(pictures: readonly DataPicture[], size: number): readonly PictureBatch[] {
  return Array.from({ length: Math.ceil(pictures.length / size) }, (_, i) => pictures.slice(i * size, (i + 1) * size))
}

/** What buckets, folders and tags the metadata of a network tell. */
export function dataFacts(datasets: readonly PlacedDataset[]) {
  const all = datasets.flatMap(({ train }) => train)
  const isRegularization = ({ subset }: DataPicture) => subset.isRegularization
  const folders = (wanted: boolean) => {
    const counts = new Map<string, { n_repeats: number; img_count: number }>()
    for (const subset of new Set(
      all.filter((picture) => isRegularization(picture) === wanted).map(({ subset }) => subset),
    )) {
      const pictures = new Set(all.filter((picture) => picture.subset === subset).map(({ path }) => path))
      counts.set(basename(subset.folder), { n_repeats: subset.repeats, img_count: pictures.size })
    }
    return Object.fromEntries(counts)
  }
  const distinct = [...new Map(all.map((picture) => [picture.path, picture])).values()]
  const buckets = [...inBuckets(all)].map(([key, pictures]) => ({
    resolution: key.split('×').map(Number),
    count: pictures.length,
  }))
  const errors = distinct.map(({ place }) => Math.abs(place.ratioError))
  return {
    trainCount: all.filter((picture) => !isRegularization(picture)).length,
    regularizationCount: new Set(all.filter(isRegularization).map(({ path }) => path)).size,
    validationCount: datasets.reduce((sum, { validation }) => sum + validation.length, 0),
    folders: folders(false),
    regularizationFolders: folders(true),
    tags: tagFrequency(distinct),
    buckets: Object.fromEntries(buckets.entries()),
    meanRatioError: errors.reduce((sum, error) => sum + error, 0) / Math.max(1, errors.length),
  }
}

/** How often each tag is in the captions of a folder, each picture counted once. */
function tagFrequency(pictures: readonly DataPicture[]): Record<string, Record<string, number>> {
  const folders: Record<string, Record<string, number>> = {}
  for (const { path, caption } of pictures) {
    const folder = basename(dirname(path))
    folders[folder] ??= {}
    const counts = folders[folder]
    for (const tag of caption.split('\n')[0]!.split(',')) {
      const name = tag.trim().toLowerCase()
      if (name !== '') counts[name] = (counts[name] ?? 0) + 1
    }
  }
  return folders
}
