import { StudioError } from '../../errors.ts'
import { md5OfPixels, parseColor, toL } from '../../image/channels.ts'
import { maskOf } from '../../image/mask.ts'
import type { SoftInpainting } from '../../image/softInpaint.ts'
import { builtInUpscalers, type Library } from '../library.ts'
import type { ByProductWish, Init, Mask, MaskedContent } from '../recipe.ts'
import type { Options } from './options.ts'
import { pictureFromWire } from './pictures.ts'
import type { Img2ImgBody } from './request.ts'

const resizeModes: readonly Init['resize'][] = ['stretch', 'cover', 'fit', 'latent']
const contents: readonly MaskedContent[] = ['fill', 'original', 'latent noise', 'latent nothing']

/** The starting pictures of an img2img request, and its mask. */
export async function initOf(
  fields: Img2ImgBody,
  options: Options,
  soft: SoftInpainting | undefined,
  library: Library,
): Promise<Init> {
  if (fields.init_images.length === 0) {
    throw new StudioError('bad-request', 'init_images: img2img needs a picture to start from, found none', {
      field: 'init_images',
    })
  }
  const pictures = await Promise.all(fields.init_images.map((image, i) => pictureFromWire(image, `init_images.${i}`)))
  parseColor(options.img2img_background_color)
  return {
    pictures,
    resize: resizeModes[fields.resize_mode]!,
    denoisingStrength: fields.denoising_strength,
    background: options.img2img_background_color,
    noiseMultiplier: fields.initial_noise_multiplier ?? options.initial_noise_multiplier,
    fixSteps: options.img2img_fix_steps,
    colorCorrection: options.img2img_color_correction,
    upscaler: upscalerOf(options, library),
    mask: fields.mask === undefined ? undefined : await maskFrom(fields, fields.mask, options, soft),
    // Of several the reference tells the last.
    recordedHash: options.save_init_img ? md5OfPixels(pictures.at(-1)!) : undefined,
  }
}

async function maskFrom(
  fields: Img2ImgBody,
  image: string,
  options: Options,
  soft: SoftInpainting | undefined,
): Promise<Mask> {
  const round = soft === undefined && fields.mask_round
  return {
    picture: maskOf(await pictureFromWire(image, 'mask'), { round }),
    latent:
      fields.latent_mask === undefined ? undefined : toL(await pictureFromWire(fields.latent_mask, 'latent_mask')),
    blurX: fields.mask_blur ?? fields.mask_blur_x,
    blurY: fields.mask_blur ?? fields.mask_blur_y,
    invert: fields.inpainting_mask_invert === 1,
    round,
    content: contents[fields.inpainting_fill]!,
    onlyMasked: fields.inpaint_full_res ? { padding: fields.inpaint_full_res_padding } : undefined,
    overlay: options.overlay_inpaint,
    soft,
    byProducts: byProductsOf(options),
  }
}

function byProductsOf(options: Options): ByProductWish[] {
  const wishes: ByProductWish[] = [
    { kind: 'mask', isReturned: options.return_mask, isSaved: options.save_mask },
    { kind: 'mask composite', isReturned: options.return_mask_composite, isSaved: options.save_mask_composite },
  ]
  return wishes.filter(({ isReturned, isSaved }) => isReturned || isSaved)
}

/** The upscaler for enlarging start pictures; undefined for plain Lanczos. */
function upscalerOf({ upscaler_for_img2img: name }: Options, library: Library): string | undefined {
  if (name === null || name === '' || name === 'None') return undefined
  if (builtInUpscalers.some((builtIn) => builtIn === name)) return name
  return library.upscaler(name, 'override_settings.upscaler_for_img2img').stem
}
