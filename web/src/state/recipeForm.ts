/** Everything the txt2img tab asks for. */
export interface RecipeForm {
  readonly checkpoint: string
  readonly vae: string
  readonly prompt: string
  readonly negativePrompt: string
  readonly styles: readonly string[]
  readonly sampler: string
  readonly scheduler: string
  readonly steps: number
  readonly cfgScale: number
  readonly width: number
  readonly height: number
  /** -1 draws one. */
  readonly seed: number
  readonly batchCount: number
  readonly batchSize: number
  readonly clipSkip: number
  readonly tiling: boolean
  readonly hasVariation: boolean
  readonly variationSeed: number
  readonly variationStrength: number
  readonly hasHires: boolean
  readonly hiresUpscaler: string
  readonly hiresScale: number
  /** 0 takes as many as the first pass. */
  readonly hiresSteps: number
  readonly hiresDenoising: number
}

/** What A1111's own page begins with. */
export const formDefaults: RecipeForm = {
  checkpoint: '',
  vae: 'Automatic',
  prompt: '',
  negativePrompt: '',
  styles: [],
  sampler: 'DPM++ 2M',
  scheduler: 'Automatic',
  steps: 20,
  cfgScale: 7,
  width: 512,
  height: 512,
  seed: -1,
  batchCount: 1,
  batchSize: 1,
  clipSkip: 1,
  tiling: false,
  hasVariation: false,
  variationSeed: -1,
  variationStrength: 0.1,
  hasHires: false,
  hiresUpscaler: 'Latent',
  hiresScale: 2,
  hiresSteps: 0,
  hiresDenoising: 0.7,
}

/** Where the server's field names lead, so that an error appears beside the control it is about. */
const fieldNames: ReadonlyMap<string, keyof RecipeForm> = new Map<string, keyof RecipeForm>([
  ['override_settings.sd_model_checkpoint', 'checkpoint'],
  ['sd_model_checkpoint', 'checkpoint'],
  ['override_settings.sd_vae', 'vae'],
  ['sd_vae', 'vae'],
  ['prompt', 'prompt'],
  ['negative_prompt', 'negativePrompt'],
  ['styles', 'styles'],
  ['sampler_name', 'sampler'],
  ['sampler_index', 'sampler'],
  ['scheduler', 'scheduler'],
  ['steps', 'steps'],
  ['cfg_scale', 'cfgScale'],
  ['width', 'width'],
  ['height', 'height'],
  ['seed', 'seed'],
  ['n_iter', 'batchCount'],
  ['batch_size', 'batchSize'],
  ['override_settings.CLIP_stop_at_last_layers', 'clipSkip'],
  ['CLIP_stop_at_last_layers', 'clipSkip'],
  ['tiling', 'tiling'],
  ['subseed', 'variationSeed'],
  ['subseed_strength', 'variationStrength'],
  ['hr_upscaler', 'hiresUpscaler'],
  ['hr_scale', 'hiresScale'],
  ['hr_second_pass_steps', 'hiresSteps'],
  ['denoising_strength', 'hiresDenoising'],
])

/** The control that a field of a request comes from; `styles[0]` is of `styles`. */
export function controlOf(field: string): keyof RecipeForm | undefined {
  return fieldNames.get(field) ?? fieldNames.get(field.replace(/(\[\d+\]|\.\d+)$/, ''))
}

/** The request of a form, in A1111's fields. What is switched off is not mentioned. */
export function requestOf(form: RecipeForm): Record<string, unknown> {
  return {
    prompt: form.prompt,
    negative_prompt: form.negativePrompt,
    styles: form.styles,
    sampler_name: form.sampler,
    scheduler: form.scheduler,
    steps: form.steps,
    cfg_scale: form.cfgScale,
    width: form.width,
    height: form.height,
    seed: form.seed,
    n_iter: form.batchCount,
    batch_size: form.batchSize,
    tiling: form.tiling,
    ...(form.hasVariation && { subseed: form.variationSeed, subseed_strength: form.variationStrength }),
    ...(form.hasHires && {
      enable_hr: true,
      hr_upscaler: form.hiresUpscaler,
      hr_scale: form.hiresScale,
      hr_second_pass_steps: form.hiresSteps,
      denoising_strength: form.hiresDenoising,
    }),
    override_settings: {
      ...(form.checkpoint !== '' && { sd_model_checkpoint: form.checkpoint }),
      sd_vae: form.vae,
      CLIP_stop_at_last_layers: form.clipSkip,
    },
  }
}

/** What a request says for a form: the way back from `requestOf`. What it does not mention has the default. */
export function formOf(request: Readonly<Record<string, unknown>>): Partial<RecipeForm> {
  const given = { ...request, ...(isRecord(request.override_settings) && request.override_settings) }
  const changes: Record<string, unknown> = {
    clipSkip: formDefaults.clipSkip,
    hasVariation: Number(request.subseed_strength ?? 0) > 0,
    hasHires: request.enable_hr === true,
    tiling: request.tiling === true,
    styles: [],
    negativePrompt: '',
    scheduler: formDefaults.scheduler,
  }
  for (const [field, name] of fieldNames) {
    const value = given[field as keyof typeof given]
    if (value !== undefined) changes[name] = typeof formDefaults[name] === 'number' ? numberIn(value) : value
  }
  return fitting(changes)
}

/** Requests may give numbers as text, which is how infotexts have them. */
function numberIn(value: unknown): unknown {
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : value
}

/** The values of an unknown object that a form can have. */
export function fitting(values: unknown): Partial<RecipeForm> {
  if (!isRecord(values)) return {}
  const fits = (name: string): boolean => {
    const [usual, value] = [formDefaults[name as keyof RecipeForm], values[name]]
    if (Array.isArray(usual)) return Array.isArray(value) && value.every((each) => typeof each === 'string')
    return typeof value === typeof usual && (typeof value !== 'number' || Number.isFinite(value))
  }
  return Object.fromEntries(Object.keys(formDefaults).flatMap((name) => (fits(name) ? [[name, values[name]]] : [])))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
