import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { parse } from 'smol-toml'
import { type BucketOptions, checkBuckets, type Size } from '../../dataset/buckets.ts'
import type { CaptionOptions } from '../../dataset/captions.ts'
import type { Resizing } from '../../dataset/framing.ts'
import { repeatedFolders } from '../../dataset/trainingFolder.ts'
import { StudioError } from '../../errors.ts'
import { nearestNames } from '../../text/nearestNames.ts'
import type { Given } from '../given.ts'
import type { Arguments } from './parameters.ts'

/** Pictures that are learnt from at one resolution, in batches of one size. */
export interface DatasetSettings {
  readonly batch: number
  readonly resolution: Size
  /** Undefined where every picture gets the resolution itself. */
  readonly buckets: BucketOptions | undefined
  readonly validation: { readonly share: number; readonly seed: number | undefined }
  readonly subsets: readonly SubsetSettings[]
}

export interface SubsetSettings {
  readonly folder: string
  readonly repeats: number
  /** Whether its pictures keep the model as it was, at a weight of their own. */
  readonly isRegularization: boolean
  readonly classTokens: string | undefined
  /** Undefined for the usual ones. */
  readonly captionExtension: string | undefined
  readonly captions: CaptionOptions
  readonly isFlipped: boolean
  readonly hasColorChanges: boolean
  readonly isRandomlyCropped: boolean
  /** Whether transparent pixels count less. */
  readonly hasAlphaMask: boolean
  /** Pictures of the same names, whose red says what a pixel counts; they go before transparency. */
  readonly maskFolder: string | undefined
  readonly resizing: Resizing
}

/** The datasets of a training: those of its TOML file, or one made of its folders. */
export function datasetSettings(
  args: Arguments,
  base: string,
): { datasets: readonly DatasetSettings[]; notes: readonly string[] } {
  const inherited = Object.entries(args).filter(([, value]) => value !== undefined) as [string, Given][]
  const given = new Map(inherited)
  if (args.caption_extention !== undefined) given.set('caption_extension', args.caption_extention)
  given.set('batch_size', args.train_batch_size).set('num_repeats', args.dataset_repeats)
  if (args.dataset_config !== undefined) return fromToml(resolve(base, args.dataset_config), base, given)
  if (args.in_json !== undefined) {
    throw new StudioError('unsupported', 'in_json: captions are read from files beside the pictures here', {
      field: 'in_json',
    })
  }
  if (args.train_data_dir === undefined) {
    throw new StudioError('bad-request', 'train_data_dir: missing, expected a folder of pictures (or dataset_config)', {
      field: 'train_data_dir',
    })
  }
  const notes: string[] = []
  const subsetsOf = (field: 'train_data_dir' | 'reg_data_dir', isRegularization: boolean) => {
    const parent = args[field]
    if (parent === undefined || parent === '') return []
    const found = repeatedFolders(resolve(base, parent), field)
    notes.push(...found.notes)
    return found.folders.map(({ folder, repeats, classTokens }) => ({
      ...subsetOf(given, folder, (path) => resolve(base, path)),
      repeats,
      classTokens,
      isRegularization,
      // Masks are for what is learnt; these pictures keep the model as it is.
      ...(isRegularization && { maskFolder: undefined }),
    }))
  }
  const subsets = [...subsetsOf('train_data_dir', false), ...subsetsOf('reg_data_dir', true)]
  return { datasets: [{ ...datasetOf(given), subsets }], notes }
}

const datasetKeys = [
  'batch_size',
  'resolution',
  'enable_bucket',
  'min_bucket_reso',
  'max_bucket_reso',
  'bucket_reso_steps',
  'bucket_no_upscale',
  'validation_split',
  'validation_seed',
  'resize_interpolation',
  'network_multiplier',
]
const subsetKeys = [
  'image_dir',
  'num_repeats',
  'is_reg',
  'class_tokens',
  'caption_extension',
  'shuffle_caption',
  'keep_tokens',
  'keep_tokens_separator',
  'caption_separator',
  'secondary_separator',
  'enable_wildcard',
  'caption_prefix',
  'caption_suffix',
  'caption_dropout_rate',
  'caption_dropout_every_n_epochs',
  'caption_tag_dropout_rate',
  'token_warmup_min',
  'token_warmup_step',
  'color_aug',
  'flip_aug',
  'random_crop',
  'face_crop_aug_range',
  'alpha_mask',
  'conditioning_data_dir',
  'cache_info',
  'resize_interpolation',
  'custom_attributes',
]

const inertKeys = ['network_multiplier', 'cache_info', 'custom_attributes']

type Table = ReadonlyMap<string, unknown>

/** A dataset file: `[general]`, `[[datasets]]` and their `[[datasets.subsets]]`, each value falling through to the next. */
function fromToml(
  path: string,
  base: string,
  given: ReadonlyMap<string, Given>,
): { datasets: readonly DatasetSettings[]; notes: readonly string[] } {
  const root = readToml(path)
  const keys = [...datasetKeys, ...subsetKeys]
  checkKeys(path, root, ['general', 'datasets'])
  const general = tableOf(root.get('general'))
  checkKeys(`${path}: general`, general, keys)
  // Paths are relative to where the command runs, as kohya's are, or to the file.
  const placeOf = (folder: string) => {
    const there = resolve(base, folder)
    return existsSync(there) ? there : resolve(dirname(path), folder)
  }
  const datasets = tablesOf(root.get('datasets')).map((dataset, i) => {
    const where = `${path}: datasets ${i + 1}`
    checkKeys(where, dataset, [...keys, 'subsets'])
    const inDataset = merged(given, general, dataset)
    const subsets = tablesOf(dataset.get('subsets')).map((subset, j) => {
      checkKeys(`${where}, subsets ${j + 1}`, subset, subsetKeys)
      const own = merged(inDataset, subset)
      const folder = subset.get('image_dir')
      if (typeof folder !== 'string') {
        throw new StudioError('bad-request', `${where}, subsets ${j + 1}: image_dir is missing`, { field: 'image_dir' })
      }
      return {
        ...subsetOf(own, placeOf(folder), placeOf),
        repeats: numberIn(own, 'num_repeats'),
        classTokens: textIn(own, 'class_tokens'),
        isRegularization: own.get('is_reg') === true,
      }
    })
    return { ...datasetOf(inDataset), subsets }
  })
  if (datasets.flatMap(({ subsets }) => subsets).length === 0) {
    throw new StudioError('bad-request', `${path}: no datasets with subsets`, { field: 'dataset_config' })
  }
  const all = [general, ...tablesOf(root.get('datasets')).flatMap((set) => [set, ...tablesOf(set.get('subsets'))])]
  const notes = inertKeys
    .filter((key) => all.some((table) => table.has(key)))
    .map((key) => `${basename(path)}: ${key} has no effect here`)
  return { datasets, notes }
}

function readToml(path: string): Table {
  try {
    return tableOf(parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const isMissing = code?.startsWith('E') ?? false
    throw new StudioError(isMissing ? 'missing-file' : 'bad-file', `${path}: ${message.split('\n')[0]}`, {
      cause,
      field: 'dataset_config',
    })
  }
}

function checkKeys(where: string, table: Table, known: readonly string[]): void {
  for (const key of table.keys()) {
    if (known.includes(key)) continue
    const [nearest] = nearestNames(key, known)
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
    throw new StudioError('unknown-name', `${where}: ${key} is not known${hint}`, { field: key })
  }
}

function merged(...tables: readonly Table[]): ReadonlyMap<string, Given> {
  return new Map(tables.flatMap((table) => [...table])) as ReadonlyMap<string, Given>
}

function tableOf(value: unknown): Table {
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value)
  return new Map(isTable ? Object.entries(value) : [])
}

function tablesOf(value: unknown): readonly Table[] {
  return Array.isArray(value) ? value.map(tableOf) : []
}

function datasetOf(given: ReadonlyMap<string, Given>): Omit<DatasetSettings, 'subsets'> {
  const resolution = resolutionOf(given.get('resolution'))
  const options: BucketOptions = {
    resolution,
    minSide: numberIn(given, 'min_bucket_reso'),
    maxSide: numberIn(given, 'max_bucket_reso'),
    step: numberIn(given, 'bucket_reso_steps'),
    noUpscale: given.get('bucket_no_upscale') === true,
  }
  const hasBuckets = given.get('enable_bucket') === true
  if (hasBuckets) checkBuckets(options)
  const share = numberIn(given, 'validation_split')
  if (share < 0 || share >= 1) {
    throw new StudioError('bad-request', `validation_split: is ${share}, expected a share from 0 to below 1`, {
      field: 'validation_split',
    })
  }
  const seed = given.get('validation_seed')
  const batch = numberIn(given, 'batch_size')
  if (!Number.isInteger(batch) || batch < 1) {
    throw new StudioError('bad-request', `batch_size: is ${batch}, expected at least 1`, { field: 'batch_size' })
  }
  return {
    batch,
    resolution,
    buckets: hasBuckets ? options : undefined,
    validation: { share, seed: typeof seed === 'number' ? seed : undefined },
  }
}

/** `512`, `"512,768"` or `[512, 768]`: width, then height, each a multiple of 8. */
function resolutionOf(value: Given | undefined): Size {
  const sides = (Array.isArray(value) ? value : `${value ?? '512'}`.split(/[,x]/)).map(Number)
  const [width, height = width] = sides
  const isSide = (side: number | undefined): side is number => Number.isInteger(side) && side! >= 8 && side! % 8 === 0
  if (sides.length > 2 || !isSide(width) || !isSide(height)) {
    throw new StudioError(
      'bad-request',
      `resolution: found ${value}, expected a size such as 512 or 512,768 in multiples of 8`,
      {
        field: 'resolution',
      },
    )
  }
  return [width, height]
}

const resizings: Readonly<Record<string, Exclude<Resizing, undefined>>> = {
  lanczos: 'lanczos',
  lanczos4: 'lanczos',
  nearest: 'nearest',
  bilinear: 'bilinear',
  linear: 'bilinear',
  bicubic: 'bicubic',
  cubic: 'bicubic',
  area: 'area',
  box: 'box',
}

function subsetOf(
  given: ReadonlyMap<string, Given>,
  folder: string,
  placeOf: (path: string) => string,
): Omit<SubsetSettings, 'repeats' | 'classTokens' | 'isRegularization'> {
  const resizing = textIn(given, 'resize_interpolation')
  const masks = textIn(given, 'conditioning_data_dir')
  if (resizing !== undefined && !Object.hasOwn(resizings, resizing)) {
    throw new StudioError(
      'bad-request',
      `resize_interpolation: found ${resizing}, expected one of ${Object.keys(resizings).join(', ')}`,
      {
        field: 'resize_interpolation',
      },
    )
  }
  if (textIn(given, 'face_crop_aug_range') !== undefined) {
    throw new StudioError('unsupported', 'face_crop_aug_range: crop around faces when preparing the pictures', {
      field: 'face_crop_aug_range',
    })
  }
  return {
    folder,
    captionExtension: textIn(given, 'caption_extension'),
    captions: {
      prefix: textIn(given, 'caption_prefix'),
      suffix: textIn(given, 'caption_suffix'),
      dropoutRate: numberIn(given, 'caption_dropout_rate'),
      dropoutEveryEpochs: numberIn(given, 'caption_dropout_every_n_epochs'),
      hasWildcards: given.get('enable_wildcard') === true,
      isShuffled: given.get('shuffle_caption') === true,
      keepTokens: numberIn(given, 'keep_tokens'),
      keepTokensSeparator: textIn(given, 'keep_tokens_separator') ?? '',
      separator: textIn(given, 'caption_separator') ?? ',',
      secondarySeparator: textIn(given, 'secondary_separator'),
      tagDropoutRate: numberIn(given, 'caption_tag_dropout_rate'),
      warmup: { steps: numberIn(given, 'token_warmup_step'), min: numberIn(given, 'token_warmup_min') },
    },
    isFlipped: given.get('flip_aug') === true,
    hasColorChanges: given.get('color_aug') === true,
    isRandomlyCropped: given.get('random_crop') === true,
    hasAlphaMask: given.get('alpha_mask') === true,
    maskFolder: masks === undefined ? undefined : placeOf(masks),
    resizing: resizing === undefined ? undefined : resizings[resizing],
  }
}

function numberIn(given: ReadonlyMap<string, Given>, key: string): number {
  const value = given.get(key)
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number === 'number' && Number.isFinite(number)) return number
  throw new StudioError('bad-request', `${key}: found ${String(value)}, expected a number`, { field: key })
}

function textIn(given: ReadonlyMap<string, Given>, key: string): string | undefined {
  const value = given.get(key)
  return value === undefined || value === '' ? undefined : `${value}`
}
