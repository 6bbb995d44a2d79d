import { z } from 'zod'
import { boolean, integer, number, optional, parseFields, text, withDefault } from './fields.ts'

/** Which request a body belongs to. */
export type Endpoint = 'txt2img' | 'img2img'

const maxInteger = Number.MAX_SAFE_INTEGER
const seed = withDefault(integer(-maxInteger, maxInteger), -1)
/** Base64 of a picture file, with or without `data:image/png;base64,`. */
const picture = text(256 * 2 ** 20)

const common = {
  prompt: withDefault(text(), ''),
  negative_prompt: withDefault(text(), ''),
  styles: withDefault(z.array(text(1000)).max(1000), []),
  seed,
  subseed: seed,
  subseed_strength: withDefault(number(0, 1), 0),
  seed_resize_from_h: withDefault(integer(-1, 16384), -1),
  seed_resize_from_w: withDefault(integer(-1, 16384), -1),
  sampler_name: optional(text(100)),
  sampler_index: withDefault(text(100), 'Euler'),
  scheduler: optional(text(100)),
  batch_size: withDefault(integer(1, 256), 1),
  n_iter: withDefault(integer(1, 10_000), 1),
  steps: withDefault(integer(1, 10_000), 50),
  cfg_scale: withDefault(number(-1000, 1000), 7),
  width: withDefault(integer(8, 16384), 512),
  height: withDefault(integer(8, 16384), 512),
  restore_faces: optional(boolean),
  tiling: optional(boolean),
  eta: optional(number(0, 1)),
  denoising_strength: withDefault(number(0, 1), 0.75),
  s_min_uncond: optional(number(0, 1000)),
  s_churn: optional(number(0, 1000)),
  s_tmax: optional(number(0, 10_000)),
  s_tmin: optional(number(0, 10_000)),
  s_noise: optional(number(0, 10)),
  override_settings: withDefault(z.record(z.string(), z.unknown()), {}),
  refiner_checkpoint: optional(text(1000)),
  refiner_switch_at: optional(number(0, 1)),
  disable_extra_networks: withDefault(boolean, false),
  script_name: optional(text(200)),
  alwayson_scripts: withDefault(z.record(z.string(), z.object({ args: withDefault(z.array(z.unknown()), []) })), {}),
  send_images: withDefault(boolean, true),
  save_images: withDefault(boolean, false),
  infotext: optional(text()),
}

/** The body of POST /sdapi/v1/txt2img with its defaults; fields unknown here are ignored, as the reference does. */
export const txt2imgBody = z.object({
  ...common,
  firstpass_image: optional(picture),
  enable_hr: withDefault(boolean, false),
  firstphase_width: withDefault(integer(0, 16384), 0),
  firstphase_height: withDefault(integer(0, 16384), 0),
  hr_scale: withDefault(number(0.05, 32), 2),
  hr_upscaler: withDefault(text(200), 'Latent'),
  hr_second_pass_steps: withDefault(integer(0, 10_000), 0),
  hr_resize_x: withDefault(integer(0, 16384), 0),
  hr_resize_y: withDefault(integer(0, 16384), 0),
  hr_checkpoint_name: optional(text(1000)),
  hr_sampler_name: optional(text(100)),
  hr_scheduler: optional(text(100)),
  hr_prompt: withDefault(text(), ''),
  hr_negative_prompt: withDefault(text(), ''),
})

/** The body of POST /sdapi/v1/img2img with its defaults. */
export const img2imgBody = z.object({
  ...common,
  init_images: withDefault(z.array(picture).max(256), []),
  resize_mode: withDefault(integer(0, 3), 0),
  image_cfg_scale: optional(number(-1000, 1000)),
  mask: optional(picture),
  latent_mask: optional(picture),
  mask_blur: optional(number(0, 1000)),
  mask_blur_x: withDefault(number(0, 1000), 4),
  mask_blur_y: withDefault(number(0, 1000), 4),
  mask_round: withDefault(boolean, true),
  inpainting_fill: withDefault(integer(0, 3), 0),
  inpaint_full_res: withDefault(boolean, true),
  inpaint_full_res_padding: withDefault(integer(0, 16384), 0),
  inpainting_mask_invert: withDefault(integer(0, 1), 0),
  initial_noise_multiplier: optional(number(0, 100)),
})

export type CommonFields = z.output<z.ZodObject<typeof common>>
export type Txt2ImgBody = z.output<typeof txt2imgBody>
export type Img2ImgBody = z.output<typeof img2imgBody>

/** Checks a body and fills in defaults. */
export function parseTxt2Img(body: unknown): Txt2ImgBody {
  return parseFields(txt2imgBody, body, '')
}

/** Checks a body and fills in defaults. */
export function parseImg2Img(body: unknown): Img2ImgBody {
  return parseFields(img2imgBody, body, '')
}
