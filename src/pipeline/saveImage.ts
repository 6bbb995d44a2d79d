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

/** Writes a picture with its infotext, under the next free number and a name after the options' pattern. */
export async function saveImage(
  studio: Studio,
  recipe: Recipe,
  image: GeneratedImage,
  saving: Saving = {},
): Promise<SavedImage> {
  const { firstPass } = image
  const firstPassPath =
    firstPass && (await savePicture(studio, recipe, image, firstPass, saving, '-before-highres-fix'))
  return { path: await savePicture(studio, recipe, image, image.picture, saving, ''), firstPassPath }
}

/** Writes a grid of a job's pictures, counted apart from them, as the options for grids say. */
export async function saveGrid(
  studio: Studio,
  recipe: Recipe,
  image: GeneratedImage,
  grid: Picture,
  basename: string,
): Promise<string> {
  const { options, dataDir } = studio
  const { bytes, extension } = await encodePicture(grid, {
    format: options.grid_format,
    quality: options.jpeg_quality,
    webpLossless: options.webp_lossless,
    ...(options.enable_pnginfo && { infotext: image.infotext }),
  })
  const own = recipe.init ? options.outdir_img2img_grids : options.outdir_txt2img_grids
  const root = resolve(dataDir, options.outdir_grids === '' ? own : options.outdir_grids)
  const context = contextOf(studio, recipe, image, grid)
  const directory = options.grid_save_to_dirs
    ? join(root, fileName(options.directories_filename_pattern, context))
    : root
  return saveNumbered({ directory, basename, decoration: '', extension }, bytes)
}

async function savePicture(
  studio: Studio,
  recipe: Recipe,
  image: GeneratedImage,
  picture: Picture,
  saving: Saving,
  suffix: string,
): Promise<string> {
  const { options } = studio
  const { bytes, extension } = await encodePicture(picture, {
    format: saving.format ?? options.samples_format,
    quality: options.jpeg_quality,
    webpLossless: options.webp_lossless,
    ...(options.enable_pnginfo && { infotext: image.infotext }),
  })
  const context = contextOf(studio, recipe, image, picture)
  const name = fileName(patternOf(studio), context) + suffix
  const directory = saving.folder ?? folderOf(studio, recipe, context)
  const path = options.save_images_add_number
    ? await saveNumbered({ directory, basename: '', decoration: name, extension }, bytes)
    : join(directory, `${name}.${extension}`)
  if (!options.save_images_add_number) await saveWhole(path, bytes)
  if (options.save_txt) await saveWhole(path.replace(/\.[^.]+$/, '.txt'), `${image.infotext}\n`)
  return path
}

/** A1111's pattern where none is set: pictures of one day need no prompt to be told apart. */
function patternOf({ options }: Studio): string {
  if (options.samples_filename_pattern !== '') return options.samples_filename_pattern
  return options.save_to_dirs ? '[seed]' : '[seed]-[prompt_spaces]'
}

/** The folder that options name, within the data folder, and within it one after a pattern. */
function folderOf({ dataDir, options }: Studio, { init }: Recipe, context: FileNameContext): string {
  const own = init ? options.outdir_img2img_samples : options.outdir_txt2img_samples
  const root = resolve(dataDir, options.outdir_samples === '' ? own : options.outdir_samples)
  return options.save_to_dirs ? join(root, fileName(options.directories_filename_pattern, context)) : root
}

function contextOf(studio: Studio, recipe: Recipe, image: GeneratedImage, picture: Picture): FileNameContext {
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
