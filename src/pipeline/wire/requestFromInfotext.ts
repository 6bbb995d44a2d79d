import { parseInfotext } from '../../image/parseInfotext.ts'
import { infotextOptions, softInpaintingKeys } from './infotextKeys.ts'
import { oldFirstPassSize } from './oldFirstPass.ts'
import { type Options, optionDefaults } from './options.ts'
import type { Endpoint } from './request.ts'

/** A request body under construction: A1111's field names. */
type Body = Record<string, unknown>
type Values = ReadonlyMap<string, unknown>

/** Infotext parameters that are request fields, by field. */
const fieldKeys: readonly (readonly [field: string, key: string])[] = [
  ['steps', 'Steps'],
  ['sampler_name', 'Sampler'],
  ['scheduler', 'Schedule type'],
  ['cfg_scale', 'CFG scale'],
  ['image_cfg_scale', 'Image CFG scale'],
  ['seed', 'Seed'],
  ['width', 'Size-1'],
  ['height', 'Size-2'],
  ['subseed', 'Variation seed'],
  ['subseed_strength', 'Variation seed strength'],
  ['seed_resize_from_w', 'Seed resize from-1'],
  ['seed_resize_from_h', 'Seed resize from-2'],
  ['denoising_strength', 'Denoising strength'],
  ['refiner_checkpoint', 'Refiner'],
  ['refiner_switch_at', 'Refiner switch at'],
]

const hiresKeys: typeof fieldKeys = [
  ['hr_scale', 'Hires upscale'],
  ['hr_upscaler', 'Hires upscaler'],
  ['hr_second_pass_steps', 'Hires steps'],
  ['hr_resize_x', 'Hires resize-1'],
  ['hr_resize_y', 'Hires resize-2'],
  ['hr_checkpoint_name', 'Hires checkpoint'],
  ['hr_sampler_name', 'Hires sampler'],
  ['hr_scheduler', 'Hires schedule type'],
  ['hr_prompt', 'Hires prompt'],
  ['hr_negative_prompt', 'Hires negative prompt'],
]

const softInpaintingTitle = 'soft inpainting'

const maskedContents = ['fill', 'original', 'latent noise', 'latent nothing']

/** Options that no infotext records and that change pictures: a replay assumes what they are unless changed. */
const unrecorded: readonly (keyof Options)[] = [
  'use_old_emphasis_implementation',
  'comma_padding_backtrack',
  'batch_cond_uncond',
  'no_dpmpp_sde_batch_determinism',
  'use_old_karras_scheduler_sigmas',
  'enable_quantization',
  'uni_pc_variant',
  'uni_pc_skip_type',
  'uni_pc_order',
  'uni_pc_lower_order_final',
  'token_merging_ratio_img2img',
  'img2img_fix_steps',
  'img2img_color_correction',
  'img2img_background_color',
  'overlay_inpaint',
  'upscaler_for_img2img',
  'extra_networks_default_multiplier',
  'hires_fix_use_firstpass_conds',
  'use_old_hires_fix_width_height',
]

/** What an infotext asks for: a request, and the endpoint that would have been given it. */
export interface InfotextRequest {
  readonly endpoint: Endpoint
  readonly body: Readonly<Body>
  /** Paths of the body's whole numbers that the infotext has as floats: `floatLiterals`. */
  readonly floats: ReadonlySet<string>
}

/**
 * The request that repeats a picture. With `isReplay` the options are those of the picture throughout, its checkpoint
 * included, whatever is set now; without, only what the infotext mentions is set, and the checkpoint stays.
 */
export function requestFromInfotext(text: string, { isReplay }: { readonly isReplay: boolean }): InfotextRequest {
  const { prompt, negativePrompt, values } = parseInfotext(text, {
    backwardCompatible: true,
    oldFirstPass: (w, h) => {
      const { width, height } = oldFirstPassSize(w, h)
      return [width, height]
    },
  })
  const body: Body = { prompt, negative_prompt: negativePrompt }
  copy(body, values, fieldKeys)

  const isHires =
    values.has('Hires upscaler') || values.has('Hires upscale') || Number(values.get('Hires resize-1')) > 0
  const isImg2Img = values.has('Denoising strength') && !isHires
  if (isHires) {
    body.enable_hr = true
    copy(body, values, hiresKeys)
  }
  if (isImg2Img) copyMask(body, values)

  const overrides: Body = isReplay ? Object.fromEntries(resets.map((key) => [key, optionDefaults[key]])) : {}
  copy(overrides, values, infotextOptions)
  if (isReplay && values.has('Model')) {
    const hash = values.get('Model hash')
    overrides.sd_model_checkpoint = `${values.get('Model')}${hash === undefined ? '' : ` [${hash}]`}`
  }
  body.override_settings = overrides
  return { endpoint: isImg2Img ? 'img2img' : 'txt2img', body, floats: floatsOf(values) }
}

function floatsOf(values: Values): ReadonlySet<string> {
  const isFloat = (key: string) => /^-?\d+(\.0*|e\+?\d+)$/.test(String(values.get(key)))
  const options = infotextOptions.filter(([, key]) => isFloat(key)).map(([option]) => `override_settings.${option}`)
  const soft = softInpaintingKeys.flatMap((key, i) =>
    isFloat(key) ? [`alwayson_scripts.${softInpaintingTitle}.args.${i}`] : [],
  )
  return new Set([...options, ...soft])
}

/** A body with what its field `infotext` says in the place of what it does not say itself. */
export function withInfotext(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('infotext' in body)) return body
  const { infotext, ...own } = body
  if (typeof infotext !== 'string' || infotext === '') return own
  const { body: said } = requestFromInfotext(infotext, { isReplay: false })
  const explicit = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== null && value !== undefined))
  const overrides = { ...plain(said.override_settings), ...plain(explicit.override_settings) }
  return { ...said, ...explicit, override_settings: overrides }
}

const resets: readonly (keyof Options)[] = [...infotextOptions.map(([option]) => option), ...unrecorded]

function copy(target: Body, values: Values, keys: readonly (readonly [string, string])[]): void {
  for (const [field, key] of keys) {
    const value = values.get(key)
    if (value !== undefined) target[field] = value
  }
}

/** Infotexts do not hold the picture and the mask, only what was done with them. */
function copyMask(body: Body, values: Values): void {
  body.mask_blur = values.get('Mask blur') ?? 0
  body.inpainting_mask_invert = values.get('Mask mode') === 'Inpaint not masked' ? 1 : 0
  body.inpainting_fill = Math.max(0, maskedContents.indexOf(String(values.get('Masked content'))))
  body.inpaint_full_res = values.get('Inpaint area') === 'Only masked'
  body.inpaint_full_res_padding = values.get('Masked area padding')
  if (values.get(softInpaintingKeys[0]!) === 'True') {
    const args = softInpaintingKeys.map((key) => values.get(key))
    body.alwayson_scripts = { [softInpaintingTitle]: { args } }
  }
}

function plain(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}
