import { join, resolve } from 'node:path'
import { md5OfPixels } from '../image/channels.ts'
import { encodeJpeg, encodePicture, encodePng } from '../image/encode.ts'
import { type FileNameContext, fileName } from '../image/fileName.ts'
import { gridRows, pictureGrid } from '../image/grid.ts'
import type { Picture, Rgb8 } from '../image/picture.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import { saveNumbered, saveWhole, sharingCopy } from '../image/save.ts'
import type { FilePlace } from './filing.ts'
import type { GeneratedImage } from './generate.ts'
import type { ByProductKind, Recipe } from './recipe.ts'
import type { Studio } from './studio.ts'

/** How a picture is saved where it is not as the recipe says. */
export type Saving = Partial<FilePlace>

/** Which picture of a `GeneratedImage`. */
export type ImagePart = 'picture' | 'first pass' | ByProductKind

/** What their files' names end in. */
const suffixes: Readonly<Record<ImagePart, string>> = {
  picture: '',
  'first pass': '-before-highres-fix',
  mask: '-mask',
  'mask composite': '-mask-composite',
}

/** What of an image is saved where it is, in the order of the files' numbers. */
export function savedParts({ firstPass, byProducts }: GeneratedImage): readonly ImagePart[] {
  const beside = byProducts.flatMap(({ kind, isSaved }) => (isSaved ? [kind] : []))
  return [...(firstPass ? (['first pass'] as const) : []), 'picture', ...beside]
}

/**
 * Writes a picture with its infotext, under the next free number and a name after the recipe's pattern, with what is
 * saved beside it; the answer is the path of the picture itself.
 */
export async function saveImage(
  studio: Studio,
  recipe: Recipe,
  image: GeneratedImage,
  saving: Saving = {},
): Promise<string> {
  const place = { ...recipe.filing.pictures, ...saving }
  let path = ''
  for (const part of savedParts(image)) {
    const to = { studio, recipe, image, place, basename: '', suffix: suffixes[part] }
    const written = await savePicture(to, partOf(image, part))
    if (part === 'picture') path = written
  }
  return path
}

function partOf({ picture, firstPass, byProducts }: GeneratedImage, part: ImagePart): Picture {
  const found =
    part === 'picture'
      ? picture
      : part === 'first pass'
        ? firstPass
        : byProducts.find(({ kind }) => kind === part)?.picture
  if (!found) throw new Error(`internal: no ${part} was kept`)
  return found
}

/** Keeps the pictures that a job starts from, where its options say so, each under the hash that infotexts tell. */
export async function saveStartPictures({ dataDir }: Studio, { init, filing }: Recipe): Promise<void> {
  if (filing.startFolder === undefined) return
  const folder = resolve(dataDir, filing.startFolder)
  for (const picture of init?.pictures ?? []) {
    await saveWhole(join(folder, `${md5OfPixels(picture)}.png`), await encodePng(picture))
  }
}

/** A job's pictures as one. */
export interface Grid {
  readonly picture: Rgb8
  readonly infotext: string
}

/** The grid of a job's pictures; undefined where options want none of so few. */
export function gridOf({ batchSize, filing }: Recipe, images: readonly GeneratedImage[]): Grid | undefined {
  const { needsSeveral, rows, background } = filing.grid
  if (images.length < (needsSeveral ? 2 : 1)) return undefined
  const pictures = images.map(({ picture }) => picture)
  const picture = pictureGrid(pictures, gridRows(pictures.length, rows, batchSize), background)
  return { picture, infotext: spokesman(batchSize, images).infotext }
}

/** Writes the grid of a job's pictures, where it is to be saved, and answers its path. */
export async function saveGrid(
  studio: Studio,
  recipe: Recipe,
  images: readonly GeneratedImage[],
  saving: Saving = {},
): Promise<string | undefined> {
  const { grid, grids } = recipe.filing
  const made = grid.isSaved ? gridOf(recipe, images) : undefined
  if (!made) return undefined
  const image = { ...spokesman(recipe.batchSize, images), index: 0 }
  const place = { ...grids, ...saving }
  return savePicture({ studio, recipe, image, place, basename: 'grid', suffix: '' }, made.picture)
}

/** The picture whose infotext the grid carries: as in the reference, the first one of the last batch. */
function spokesman(batchSize: number, images: readonly GeneratedImage[]): GeneratedImage {
  return images[Math.floor((images.length - 1) / batchSize) * batchSize]!
}

/** A picture as it is to be saved. */
export interface PictureFile {
  readonly bytes: Uint8Array
  readonly directory: string
  /** `grid` and the like for what is counted apart; empty for pictures. */
  readonly basename: string
  /** The name without number and extension. */
  readonly name: string
  readonly extension: string
  /** The next free number goes before the name. */
  readonly isNumbered: boolean
  /** Files beside it, by their extensions: a copy to share, the infotext. */
  readonly companions: readonly Companion[]
}

interface Companion {
  readonly extension: string
  readonly bytes: Uint8Array
}

/** What of a studio says where pictures are saved. */
export type SavingStudio = Pick<Studio, 'dataDir' | 'library' | 'styles'>

interface Destination {
  readonly studio: SavingStudio
  readonly recipe: Recipe
  /** Whose infotext, seed and place in the job the file tells. */
  readonly image: GeneratedImage
  readonly place: FilePlace
  readonly basename: string
  readonly suffix: string
}

/** A picture of a job, or one that is saved beside it, encoded and named as its recipe says. */
export function pictureFile(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  part: ImagePart,
): Promise<PictureFile> {
  const place = recipe.filing.pictures
  return fileOf({ studio, recipe, image, place, basename: '', suffix: suffixes[part] }, partOf(image, part))
}

/** A picture of several of a job's, encoded and named as its recipe says of grids: `<basename>-0012.png`. */
export function gridFile(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  grid: Picture,
  basename: string,
): Promise<PictureFile> {
  return fileOf({ studio, recipe, image, place: recipe.filing.grids, basename, suffix: '' }, grid)
}

/** Writes such a grid, and answers its path. */
export function keepGrid(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  grid: Picture,
  basename: string,
): Promise<string> {
  return savePicture({ studio, recipe, image, place: recipe.filing.grids, basename, suffix: '' }, grid)
}

async function fileOf(destination: Destination, picture: Picture): Promise<PictureFile> {
  const { studio, recipe, image, place, basename, suffix } = destination
  const { quality, webpLossless, carriesInfotext, hasTextFile, sharing } = recipe.filing
  const infotext = carriesInfotext ? image.infotext : undefined
  const { bytes, extension } = await encodePicture(picture, { format: place.format, quality, webpLossless, infotext })
  const context = contextOf(studio, recipe, image, picture)
  const name = fileName(place.name, context) + suffix
  const directory = join(
    resolve(studio.dataDir, place.folder),
    place.subfolder === '' ? '' : fileName(place.subfolder, context),
  )
  const copy = sharing && sharingCopy(picture, bytes.length, sharing)
  const companions: Companion[] = [
    ...(copy ? [{ extension: 'jpg', bytes: await encodeJpeg(copy, { quality, infotext }) }] : []),
    ...(hasTextFile ? [{ extension: 'txt', bytes: Buffer.from(`${image.infotext}\n`) }] : []),
  ]
  return { bytes, directory, basename, name, extension, isNumbered: place.isNumbered || name === '', companions }
}

async function savePicture(destination: Destination, picture: Picture): Promise<string> {
  const file = await fileOf(destination, picture)
  const { bytes, directory, basename, name, extension, isNumbered, companions } = file
  const path = isNumbered
    ? await saveNumbered({ directory, basename, decoration: name, extension }, bytes)
    : join(directory, `${name}.${extension}`)
  if (!isNumbered) await saveWhole(path, bytes)
  for (const companion of companions) {
    await saveWhole(`${path.slice(0, -extension.length)}${companion.extension}`, companion.bytes)
  }
  return path
}

function contextOf(studio: SavingStudio, recipe: Recipe, image: GeneratedImage, picture: Picture): FileNameContext {
  const { images, batchSize, checkpoint, init, hires } = recipe
  const plan = images[image.index]
  if (!plan) throw new Error(`internal: no picture ${image.index} in a job of ${images.length}`)
  const strength = init?.denoisingStrength ?? hires?.denoisingStrength
  return {
    prompt: plan.prompt,
    negativePrompt: plan.negativePrompt,
    promptWords: recipe.filing.promptWords,
    styles: recipe.styles,
    stylePrompts: studio.styles().flatMap((style) => (recipe.styles.includes(style.name) ? [style.prompt] : [])),
    seed: plan.seed,
    seeds: images.map(({ seed }) => seed),
    steps: recipe.pass.steps,
    cfgScale: pythonFloat(recipe.guidance.cfgScale),
    denoisingStrength: strength === undefined ? undefined : pythonFloat(strength),
    sampler: recipe.pass.sampler,
    scheduler: recipe.pass.scheduler,
    clipSkip: recipe.prompting.clipSkip,
    modelHash: (checkpoint.hash ?? studio.library.hashes.known(checkpoint.path) ?? '').slice(0, 10),
    modelName: checkpoint.name,
    vaeName: recipe.vae?.name ?? 'NoneType',
    user: '',
    batchSize,
    batchCount: Math.ceil(images.length / batchSize),
    batch: Math.floor(image.index / batchSize),
    indexInBatch: image.index % batchSize,
    jobTime: image.jobTime,
    time: new Date(),
    basename: '',
    picture,
  }
}
