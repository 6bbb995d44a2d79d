import { StudioError } from '../../errors.ts'
import { type Library, standInFiles } from '../library.ts'
import { checkSizes } from '../limits.ts'
import type { Coding, FileIdentity, Init, ModelFiles, Recipe } from '../recipe.ts'
import type { Studio } from '../studio.ts'
import { filingOf } from './filing.ts'
import { hiresOf, hiresSizes } from './hires.ts'
import { imagesOf, listedImages, type PictureRequest } from './images.ts'
import { infotextOptions, softInpaintingKeys } from './infotextKeys.ts'
import { initOf } from './init.ts'
import { Names } from './names.ts'
import { type Options, overrideOptions } from './options.ts'
import { passOf } from './pass.ts'
import { promptMerger } from './prompts.ts'
import {
  type CommonFields,
  type Endpoint,
  type Img2ImgBody,
  parseImg2Img,
  parseTxt2Img,
  type Txt2ImgBody,
} from './request.ts'
import { withInfotext } from './requestFromInfotext.ts'
import { scriptsOf } from './scripts.ts'
import * as settings from './settings.ts'

export interface RequestReading {
  /** Unknown names fall back as the reference's do, with a note, where they are errors otherwise. */
  readonly lenient?: boolean
  /** `floatLiterals` of the body's JSON text, where there was one. */
  readonly floats?: ReadonlySet<string>
  /** Prompts and seeds of the single pictures, where they are not the request's own; as many pictures are made. */
  readonly pictures?: readonly PictureRequest[]
  /** Every picture has the networks of its own prompt, where the reference gives all of a batch those of the first. */
  readonly networksOf?: Recipe['prompting']['networksOf']
}

/**
 * The recipe that an A1111 request body stands for: defaults filled in, options overridden, styles merged, seeds
 * drawn, names resolved to files. What cannot be done is an error that names the field.
 */
export async function recipeFromRequest(
  body: unknown,
  endpoint: Endpoint,
  studio: Studio,
  { lenient = false, floats = new Set(), pictures, networksOf = 'first picture' }: RequestReading = {},
): Promise<Recipe> {
  const request = withInfotext(body)
  const { library } = studio
  const names = new Names(library, lenient)
  const asWritten = parse(request, endpoint)
  const options = overrideOptions(studio.options, asWritten.fields.override_settings)
  refuseUnsupported(options)
  const model = await chosenModel(options, studio, names)
  const sized = withNativeSize(request, () => library.nativeSize(model.checkpoint.path))
  const { fields, txt2img, img2img } = sized === request ? asWritten : parse(sized, endpoint)
  // Without a restorer the reference hands pictures on as they are, too.
  if (fields.restore_faces ?? options.face_restoration) names.notes.push('restore_faces: faces are not restored here')
  const soft = scriptsOf(fields, endpoint)

  const init = img2img && (await initOf(img2img, options, soft, library))
  const batchSize = batchSizeOf(fields, init)
  const merge = promptMerger(studio.styles(), fields.styles, options, names)
  const prompts = merge({ prompt: fields.prompt, negativePrompt: fields.negative_prompt })
  const images = pictures
    ? listedImages(fields, pictures, merge)
    : imagesOf({ ...fields, batch_size: batchSize }, prompts)

  const pass = passOf(fields.sampler_name ?? fields.sampler_index, fields.scheduler, fields.steps, names)
  const sizes = txt2img?.enable_hr ? hiresSizes(txt2img, options) : undefined
  const hires =
    txt2img && sizes && (await hiresOf(txt2img, sizes.target, { library, options, names, merge, images, pass }))
  const { width, height } = sizes?.first ?? fields

  const texts = [...images, ...(hires?.prompts ?? [])]
  const networks = fields.disable_extra_networks
    ? new Map<string, FileIdentity>()
    : await names.networks(texts.map(({ prompt }) => prompt))
  const mentioned = texts.flatMap(({ prompt, negativePrompt }) => [prompt, negativePrompt])
  const recipe: Recipe = {
    images,
    batchSize,
    width,
    height,
    styles: fields.styles,
    ...model,
    networks,
    embeddings: await names.embeddings(mentioned, networks, options),
    prompting: { ...settings.promptingOf(fields, options), networksOf },
    pass,
    sampling: settings.samplingOf(fields, options),
    guidance: settings.guidanceOf(fields, options),
    noise: settings.noiseOf(fields, options, studio.gpuNoise),
    tiling: fields.tiling ?? options.tiling,
    tokenMerging: settings.tokenMergingOf(options, endpoint === 'img2img'),
    coding: await codingOf(options, library),
    maskConditioning: options.inpainting_mask_weight,
    init,
    hires,
    refiner: await refinerOf(fields, options, names),
    tiles: { size: options.ESRGAN_tile, overlap: options.ESRGAN_tile_overlap },
    writing: settings.writingOf(options, floatKeys(fields, floats, studio)),
    filing: filingOf(options, endpoint),
    notes: names.notes,
  }
  checkSizes(recipe)
  return recipe
}

/** The fields of a body, and which request's they are. */
interface Parsed {
  readonly fields: CommonFields
  readonly txt2img: Txt2ImgBody | undefined
  readonly img2img: Img2ImgBody | undefined
}

function parse(body: unknown, endpoint: Endpoint): Parsed {
  if (endpoint === 'txt2img') {
    const txt2img = parseTxt2Img(body)
    return { fields: txt2img, txt2img, img2img: undefined }
  }
  const img2img = parseImg2Img(body)
  return { fields: img2img, txt2img: undefined, img2img }
}

/** The body with the checkpoint's own size where it does not say one; the same body where nothing is to be added. */
function withNativeSize(body: unknown, nativeSize: () => number | undefined): unknown {
  if (typeof body !== 'object' || body === null) return body
  const { width = null, height = null } = body as { readonly width?: unknown; readonly height?: unknown }
  const size = width === null || height === null ? nativeSize() : undefined
  return size === undefined ? body : { ...body, width: width ?? size, height: height ?? size }
}

/** The infotext parameters that repeat numbers which were written as floats, here or in the folder's options. */
function floatKeys(fields: CommonFields, floats: ReadonlySet<string>, studio: Studio): ReadonlySet<string> {
  const options = infotextOptions.filter(([option]) =>
    Object.hasOwn(fields.override_settings, option)
      ? floats.has(`override_settings.${option}`)
      : studio.optionsFile.floats.has(option),
  )
  const scripts = Object.keys(fields.alwayson_scripts).filter((title) => title.toLowerCase() === 'soft inpainting')
  const soft = softInpaintingKeys.filter((_, i) =>
    scripts.some((title) => floats.has(`alwayson_scripts.${title}.args.${i}`)),
  )
  return new Set([...options.map(([, key]) => key), ...soft])
}

const checkpointField = 'override_settings.sd_model_checkpoint'

function refuseUnsupported(options: Options): void {
  const refuse = (field: string, what: string): never => {
    throw new StudioError('unsupported', `${field}: ${what}`, { field })
  }
  if (options.hypertile_enable_unet) refuse('override_settings.hypertile_enable_unet', 'hypertile is not supported')
  if (options.hypertile_enable_vae) refuse('override_settings.hypertile_enable_vae', 'hypertile is not supported')
}

/** What stands in for the VAE: files that must be there. */
async function codingOf(
  { sd_vae_decode_method: method, sd_vae_encode_method: encoding }: Options,
  library: Library,
): Promise<Coding> {
  const fileOf = async (method: 'TAESD' | 'Approx NN', half: 'encoder' | 'decoder') => {
    const file = library.standIn(method, half)
    if (file) return library.identity(file.stem, file.path)
    const field = `override_settings.sd_vae_${half === 'encoder' ? 'encode' : 'decode'}_method`
    const { folder } = standInFiles[method]
    throw new StudioError('missing-file', `${field}: models/${folder} holds no ${method} ${half}`, { field })
  }
  const ofFile = method === 'TAESD' || method === 'Approx NN'
  return {
    decoder: ofFile ? { method, file: await fileOf(method, 'decoder') } : method === 'Full' ? undefined : { method },
    encoder: encoding === 'TAESD' ? await fileOf(encoding, 'encoder') : undefined,
  }
}

/** Several start pictures make a batch of as many. */
function batchSizeOf({ batch_size }: CommonFields, init: Init | undefined): number {
  const count = init?.pictures.length ?? 1
  if (count > batch_size) {
    throw new StudioError('bad-request', `init_images: ${count} pictures for a batch of ${batch_size}`, {
      field: 'init_images',
    })
  }
  return count > 1 ? count : batch_size
}

/** What the request names, or else the options; in a lenient reading of an unknown name, the options. */
async function chosenModel(options: Options, studio: Studio, names: Names): Promise<ModelFiles> {
  const fallback = studio.options.sd_model_checkpoint ?? ''
  const wanted = options.sd_model_checkpoint ?? fallback
  const name = names.orElse(
    () => {
      studio.library.checkpoint(wanted, checkpointField)
      return wanted
    },
    () => (wanted === fallback ? '' : fallback),
  )
  return names.model(name, checkpointField, options)
}

async function refinerOf(fields: CommonFields, options: Options, names: Names): Promise<Recipe['refiner']> {
  const name = fields.refiner_checkpoint
  if (name === undefined || name === '' || name === 'None' || (fields.refiner_switch_at ?? 1) >= 1) return undefined
  return {
    model: await names.secondModel(name, 'refiner_checkpoint', options),
    switchAt: fields.refiner_switch_at ?? 1,
    switchBySteps: options.refiner_switch_by_sample_steps,
    inPass: options.hires_fix_refiner_pass,
  }
}
