import { StudioError } from '../../errors.ts'
import { toRgb } from '../../image/channels.ts'
import { latentUpscalers } from '../latentUpscale.ts'
import { builtInUpscalers, type Library } from '../library.ts'
import type { Hires, HiresTarget, ImagePlan, Pass } from '../recipe.ts'
import type { Names } from './names.ts'
import { oldFirstPassSize } from './oldFirstPass.ts'
import type { Options } from './options.ts'
import { passOf } from './pass.ts'
import { pictureFromWire } from './pictures.ts'
import type { PromptPair } from './prompts.ts'
import type { Txt2ImgBody } from './request.ts'

/** What hires needs to know of the rest of the recipe. */
export interface HiresContext {
  readonly library: Library
  readonly options: Options
  readonly names: Names
  /** The first pass. */
  readonly pass: Pass
  readonly images: readonly ImagePlan[]
  /** Merges the styles into prompts. */
  readonly merge: (prompts: PromptPair) => PromptPair
}

/** Sizes of both passes. */
export interface HiresSizes {
  readonly first: { readonly width: number; readonly height: number }
  readonly target: HiresTarget
}

/** What the request says of sizes; old clients say where to arrive in place of where to start. */
export function hiresSizes(fields: Txt2ImgBody, options: Options): HiresSizes {
  const { width, height, firstphase_width, firstphase_height, hr_resize_x, hr_resize_y, hr_scale } = fields
  const asked = { width, height }
  if (firstphase_width !== 0 || firstphase_height !== 0) {
    return { first: { width: firstphase_width, height: firstphase_height }, target: { kind: 'size', ...asked } }
  }
  if (options.use_old_hires_fix_width_height) {
    return { first: oldFirstPassSize(width, height), target: { kind: 'size', ...asked } }
  }
  if (hr_resize_x === 0 && hr_resize_y === 0) return { first: asked, target: { kind: 'scale', scale: hr_scale } }
  return { first: asked, target: { kind: 'size', width: hr_resize_x, height: hr_resize_y } }
}

/** The second pass of a txt2img request that asks for one. */
export async function hiresOf(fields: Txt2ImgBody, target: HiresTarget, context: HiresContext): Promise<Hires> {
  const { library, options, names, pass: firstPass, images } = context
  const sampler = asked(fields.hr_sampler_name, 'Use same sampler')
  const scheduler = asked(fields.hr_scheduler, 'Use same scheduler')
  const checkpoint = asked(fields.hr_checkpoint_name, 'Use same checkpoint')
  const steps = fields.hr_second_pass_steps === 0 ? firstPass.steps : fields.hr_second_pass_steps
  const picture = fields.firstpass_image
  const own = context.merge({ prompt: fields.hr_prompt, negativePrompt: fields.hr_negative_prompt })
  return {
    target,
    upscaler: upscalerOf(fields.hr_upscaler, library),
    denoisingStrength: fields.denoising_strength,
    pass: passOf(sampler ?? firstPass.sampler, scheduler ?? firstPass.scheduler, steps, names),
    askedSteps: fields.hr_second_pass_steps,
    prompts: images.map(({ prompt, negativePrompt }) => ({
      prompt: fields.hr_prompt === '' ? prompt : own.prompt,
      negativePrompt: fields.hr_negative_prompt === '' ? negativePrompt : own.negativePrompt,
    })),
    model: checkpoint === undefined ? undefined : await names.secondModel(checkpoint, 'hr_checkpoint_name', options),
    firstPicture: picture === undefined ? undefined : toRgb(await pictureFromWire(picture, 'firstpass_image')),
    keepFirstPass: options.save_images_before_highres_fix,
    usesFirstPassConds: options.hires_fix_use_firstpass_conds,
  }
}

/** A choice whose first entry in the user interface means "none of its own". */
function asked(name: string | undefined, same: string): string | undefined {
  return name === undefined || name === '' || name === same || name === 'None' ? undefined : name
}

function upscalerOf(name: string, library: Library): string {
  if (latentUpscalers.has(name) || builtInUpscalers.some((builtIn) => builtIn === name)) return name
  try {
    return library.upscaler(name, 'hr_upscaler').stem
  } catch (cause) {
    if (!(cause instanceof StudioError) || cause.code !== 'unknown-name') throw cause
    const modes = [...latentUpscalers.keys()].join(', ')
    throw new StudioError('unknown-name', `${cause.message}, ${modes}`, { cause, field: 'hr_upscaler' })
  }
}
