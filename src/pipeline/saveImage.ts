import { join, resolve } from 'node:path'
import { encodePicture } from '../image/encode.ts'
import { type FileNameContext, fileName } from '../image/fileName.ts'
import type { Picture } from '../image/picture.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import { saveNumbered, saveWhole } from '../image/save.ts'
import type { GeneratedImage } from './generate.ts'
import type { Recipe } from './recipe.ts'
import type { Studio } from './studio.ts'

/** How a picture is saved where it is not as the data folder's options say. */
export interface Saving {
  /** The folder itself, in place of one for each day. */
  readonly folder?: string
  /** png, jpg, webp, avif or gif. */
  readonly format?: string
}

/** What was written for one picture. */
export interface SavedImage {
  readonly path: string
  /** The picture before it was enlarged, where it was kept. */
  readonly firstPassPath: string | undefined
}

/** What of a studio says how and where pictures are saved. */
export type SavingStudio = Pick<Studio, 'dataDir' | 'options' | 'library' | 'styles'>

/** A picture as it is to be saved. */
export interface PictureFile {
  readonly bytes: Uint8Array
  readonly directory: string
  /** Before the number, for files that are counted apart; empty for pictures. */
  readonly basename: string
  /** The name without number and extension. */
  readonly name: string
  readonly extension: string
  /** The next free number goes before the name. */
  readonly isNumbered: boolean
  /** What goes into a text file beside it. */
  readonly text: string | undefined
}

/** Writes a picture with its infotext, under the next free number and a name after the options' pattern. */
export async function saveImage(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  saving: Saving = {},
): Promise<SavedImage> {
  const { firstPass } = image
  const firstPassPath = firstPass && (await writeFile(await firstPassFile(studio, recipe, image, firstPass, saving)))
  return { path: await writeFile(await pictureFile(studio, recipe, image, saving)), firstPassPath }
}

/** A picture of a job, encoded as options say. */
export function pictureFile(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  saving: Saving = {},
): Promise<PictureFile> {
  return fileOf(studio, recipe, image, image.picture, saving, '')
}

/** A picture before it was enlarged. */
export function firstPassFile(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  firstPass: Picture,
  saving: Saving = {},
): Promise<PictureFile> {
  return fileOf(studio, recipe, image, firstPass, saving, '-before-highres-fix')
}

/** Writes a grid of a job's pictures under its next free number. */
export async function saveGrid(...grid: Parameters<typeof gridFile>): Promise<string> {
  return writeFile(await gridFile(...grid))
}

/** A grid of a job's pictures, which are counted apart: `grid-0012.png`. */
export async function gridFile(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  grid: Picture,
  basename: string,
): Promise<PictureFile> {
  const { options, dataDir } = studio
  const { bytes, extension } = await encodePicture(grid, {
    format: options.grid_format,
    quality: options.jpeg_quality,
    webpLossless: options.webp_lossless,
    ...(options.enable_pnginfo && { infotext: image.infotext }),
  })
  const own = recipe.init ? options.outdir_img2img_grids : options.outdir_txt2img_grids
  const root = resolve(dataDir, options.outdir_grids === '' ? own : options.outdir_grids)
  const inner = fileName(options.directories_filename_pattern, contextOf(studio, recipe, image, grid))
  const directory = options.grid_save_to_dirs ? join(root, inner) : root
  return { bytes, directory, basename, name: '', extension, isNumbered: true, text: undefined }
}

async function fileOf(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  picture: Picture,
  saving: Saving,
  suffix: string,
): Promise<PictureFile> {
  const { options } = studio
  const { bytes, extension } = await encodePicture(picture, {
    format: saving.format ?? options.samples_format,
    quality: options.jpeg_quality,
    webpLossless: options.webp_lossless,
    ...(options.enable_pnginfo && { infotext: image.infotext }),
  })
  const context = contextOf(studio, recipe, image, picture)
  return {
    bytes,
    directory: saving.folder ?? folderOf(studio, recipe, context),
    basename: '',
    name: fileName(patternOf(studio), context) + suffix,
    extension,
    isNumbered: options.save_images_add_number,
    text: options.save_txt ? `${image.infotext}\n` : undefined,
  }
}

async function writeFile({
  bytes,
  directory,
  basename,
  name,
  extension,
  isNumbered,
  text,
}: PictureFile): Promise<string> {
  const path = isNumbered
    ? await saveNumbered({ directory, basename, decoration: name, extension }, bytes)
    : join(directory, `${name}.${extension}`)
  if (!isNumbered) await saveWhole(path, bytes)
  if (text !== undefined) await saveWhole(path.replace(/\.[^.]+$/, '.txt'), text)
  return path
}

/** A1111's pattern where none is set: pictures of one day need no prompt to be told apart. */
function patternOf({ options }: SavingStudio): string {
  if (options.samples_filename_pattern !== '') return options.samples_filename_pattern
  return options.save_to_dirs ? '[seed]' : '[seed]-[prompt_spaces]'
}

/** The folder that options name, within the data folder, and within it one after a pattern. */
function folderOf({ dataDir, options }: SavingStudio, { init }: Recipe, context: FileNameContext): string {
  const own = init ? options.outdir_img2img_samples : options.outdir_txt2img_samples
  const root = resolve(dataDir, options.outdir_samples === '' ? own : options.outdir_samples)
  return options.save_to_dirs ? join(root, fileName(options.directories_filename_pattern, context)) : root
}

function contextOf(studio: SavingStudio, recipe: Recipe, image: GeneratedImage, picture: Picture): FileNameContext {
  const { images, batchSize, checkpoint, init, hires } = recipe
  const plan = images[image.index]
  if (!plan) throw new Error(`internal: no picture ${image.index} in a job of ${images.length}`)
  const strength = init?.denoisingStrength ?? hires?.denoisingStrength
  return {
    prompt: plan.prompt,
    negativePrompt: plan.negativePrompt,
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
