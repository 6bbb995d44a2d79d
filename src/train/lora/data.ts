import { basename, dirname } from 'node:path'
import { bucketTable } from '../../dataset/buckets.ts'
import { StudioError } from '../../errors.ts'
import { pythonRandom } from '../../tensor/pythonRandom.ts'
import { batched, epochBatches, inBuckets } from '../batches.ts'
import type { DatasetSettings, SubsetSettings } from './datasets.ts'
import { type DataPicture, readSubset } from './subset.ts'

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
    const why = notes.length === 0 ? '' : `; ${notes.join('; ')}`
    throw new StudioError('missing-file', `train_data_dir: no pictures to learn from${why}`, {
      field: 'train_data_dir',
    })
  }
  return { datasets, notes }
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
