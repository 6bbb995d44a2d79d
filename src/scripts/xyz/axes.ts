import { samplers } from '../../diffusion/samplers/index.ts'
import { scheduleList } from '../../diffusion/schedules.ts'
import { StudioError } from '../../errors.ts'
import { pythonFloat } from '../../image/pythonFloat.ts'
import { checkpointTitle } from '../../pipeline/findCheckpoint.ts'
import { latentUpscalers } from '../../pipeline/latentUpscale.ts'
import { builtInUpscalers, unknown } from '../../pipeline/library.ts'
import type { Studio } from '../../pipeline/studio.ts'
import type { Endpoint } from '../../pipeline/wire/request.ts'
import type { Body } from '../painter.ts'
import type { ValueKind } from './values.ts'

/** A value that an axis can take. */
export type AxisValue = number | string | readonly string[]

/** What setting a value may need to know. */
export interface Setting {
  readonly studio: Studio
  readonly body: Body
  /** Every value of the axis: the first is what others replace in prompts. */
  readonly values: readonly AxisValue[]
  /** Where the request names the axis, for errors. */
  readonly field: string
}

/** One kind of axis of an X/Y/Z plot: a field or an option, and how its values are read and shown. */
export interface Axis {
  readonly label: string
  readonly kind: ValueKind
  /** Only offered there. */
  readonly only?: Endpoint
  /** How much a change costs: an expensive axis is walked slowest. */
  readonly cost: number
  /** Values that a page offers. */
  readonly choices: ((studio: Studio) => readonly string[]) | undefined
  readonly show: (value: AxisValue) => string
  /** Fields of the request with this value set. */
  readonly set: (value: AxisValue, setting: Setting) => Body
  /** Options that this sets to a float, which infotexts spell as such. */
  readonly floatOption?: string
}

type Options = Pick<Axis, 'cost' | 'only' | 'choices' | 'show'>

function axis(label: string, kind: ValueKind, set: Axis['set'], options: Partial<Options> = {}): Axis {
  return {
    label,
    kind,
    set,
    cost: 0,
    choices: undefined,
    show: (value) => `${label}: ${shown(value, kind)}`,
    ...options,
  }
}

/** An axis that is a field of the request. */
function field(label: string, kind: ValueKind, name: string, options: Partial<Options> = {}): Axis {
  return axis(label, kind, (value) => ({ [name]: value }), options)
}

/** An axis that is an option. */
function option(label: string, kind: ValueKind, name: string, options: Partial<Options> = {}): Axis {
  const set: Axis['set'] = (value, { body }) => overriding(body, name, value)
  return { ...axis(label, kind, set, options), ...(kind === 'float' && { floatOption: `override_settings.${name}` }) }
}

function shown(value: AxisValue, kind: ValueKind): string {
  if (typeof value !== 'number') return typeof value === 'string' ? value : value.join(', ')
  return kind === 'int' ? String(value) : pythonFloat(Math.round(value * 1e8) / 1e8)
}

function overriding(body: Body, name: string, value: unknown): Body {
  const given = body.override_settings
  return { override_settings: { ...(typeof given === 'object' ? given : {}), [name]: value } }
}

const justValue = (value: AxisValue) => String(value)
const fileName = (value: AxisValue) => String(value).split(/[\\/]/).at(-1)!
const trueFirst = () => ['True', 'False']
const yes = (value: AxisValue) => /^(true|yes|y|1)$/i.test(String(value))
const samplerLabels = () => samplers.map(({ label }) => label)
const checkpoints = ({ library }: Studio) => library.checkpoints().map(checkpointTitle)

/** Every kind of axis in the reference's order. */
const axes: readonly Axis[] = [
  axis('Nothing', 'text', () => ({}), { show: () => '' }),
  field('Seed', 'int', 'seed'),
  field('Var. seed', 'int', 'subseed'),
  field('Var. strength', 'float', 'subseed_strength'),
  field('Steps', 'int', 'steps'),
  field('Hires steps', 'int', 'hr_second_pass_steps', { only: 'txt2img' }),
  field('CFG Scale', 'float', 'cfg_scale'),
  field('Image CFG Scale', 'float', 'image_cfg_scale', { only: 'img2img' }),
  axis('Prompt S/R', 'text', searchAndReplace, { show: justValue }),
  axis('Prompt order', 'permutation', reorder, { show: (value) => shown(value, 'permutation') }),
  axis('Sampler', 'text', sampler('sampler_name'), { only: 'txt2img', choices: samplerLabels, show: justValue }),
  axis('Hires sampler', 'text', sampler('hr_sampler_name'), {
    only: 'txt2img',
    choices: samplerLabels,
    show: justValue,
  }),
  axis('Sampler', 'text', sampler('sampler_name'), { only: 'img2img', choices: samplerLabels, show: justValue }),
  axis('Checkpoint name', 'text', checkpoint, { cost: 1, choices: checkpoints, show: fileName }),
  field('Negative Guidance minimum sigma', 'float', 's_min_uncond'),
  field('Sigma Churn', 'float', 's_churn'),
  field('Sigma min', 'float', 's_tmin'),
  field('Sigma max', 'float', 's_tmax'),
  field('Sigma noise', 'float', 's_noise'),
  field('Schedule type', 'text', 'scheduler', {
    choices: () => ['Automatic', ...scheduleList.map(({ label }) => label)],
  }),
  option('Schedule min sigma', 'float', 'sigma_min'),
  option('Schedule max sigma', 'float', 'sigma_max'),
  option('Schedule rho', 'float', 'rho'),
  option('Beta schedule alpha', 'float', 'beta_dist_alpha'),
  option('Beta schedule beta', 'float', 'beta_dist_beta'),
  field('Eta', 'float', 'eta'),
  option('Clip skip', 'int', 'CLIP_stop_at_last_layers'),
  field('Denoising', 'float', 'denoising_strength'),
  field('Initial noise multiplier', 'float', 'initial_noise_multiplier'),
  option('Extra noise', 'float', 'img2img_extra_noise'),
  field('Hires upscaler', 'text', 'hr_upscaler', {
    only: 'txt2img',
    choices: ({ library }) => [
      ...latentUpscalers.keys(),
      ...builtInUpscalers,
      ...library.upscalers().map(({ stem }) => stem),
    ],
  }),
  option('Cond. Image Mask Weight', 'float', 'inpainting_mask_weight', { only: 'img2img' }),
  axis('VAE', 'text', vae, {
    cost: 0.7,
    choices: ({ library }) => ['Automatic', 'None', ...library.vaes().map(({ path }) => fileName(path))],
  }),
  axis('Styles', 'text', styles, { choices: (studio) => studio.styles().map(({ name }) => name) }),
  axis('UniPC Order', 'int', unipcOrder, { cost: 0.5 }),
  axis('Face restore', 'text', faceRestore),
  option('Token merging ratio', 'float', 'token_merging_ratio'),
  option('Token merging ratio high-res', 'float', 'token_merging_ratio_hr'),
  axis('Always discard next-to-last sigma', 'text', truth('always_discard_next_to_last_sigma'), {
    choices: () => ['False', 'True'],
  }),
  axis('SGM noise multiplier', 'text', truth('sgm_noise_multiplier'), { choices: trueFirst }),
  field('Refiner checkpoint', 'text', 'refiner_checkpoint', {
    cost: 1,
    choices: (studio) => ['None', ...checkpoints(studio)],
    show: fileName,
  }),
  field('Refiner switch at', 'float', 'refiner_switch_at'),
  option('RNG source', 'text', 'randn_source', { choices: () => ['GPU', 'CPU', 'NV'] }),
  option('FP8 mode', 'text', 'fp8_storage', { cost: 0.9, choices: () => ['Disable', 'Enable for SDXL', 'Enable'] }),
  axis('Size', 'text', size),
]

/** The kinds of axis that an endpoint offers: requests name them by their position here. */
export function axesOf(endpoint: Endpoint): readonly Axis[] {
  return axes.filter(({ only }) => only === undefined || only === endpoint)
}

function searchAndReplace(value: AxisValue, { body, values, field: where }: Setting): Body {
  const [searched] = values
  const [prompt, negative] = [textOf(body.prompt), textOf(body.negative_prompt)]
  const wanted = String(searched)
  if (!prompt.includes(wanted) && !negative.includes(wanted)) {
    throw new StudioError(
      'bad-request',
      `${where}: "${wanted}" occurs neither in the prompt nor in the negative prompt`,
      {
        field: where,
      },
    )
  }
  const replaced = (text: string) => text.replaceAll(wanted, () => String(value))
  return { prompt: replaced(prompt), negative_prompt: replaced(negative) }
}

/** The words of the axis in another order, each at a place where one of them stood. */
function reorder(value: AxisValue, { body }: Setting): Body {
  const words = Array.isArray(value) ? (value as readonly string[]) : [String(value)]
  let rest = textOf(body.prompt)
  const places = [...words].sort((a, b) => rest.indexOf(a) - rest.indexOf(b))
  const between: string[] = []
  for (const word of places) {
    const at = Math.max(rest.indexOf(word), 0)
    between.push(rest.slice(0, at))
    rest = rest.slice(at + word.length)
  }
  return { prompt: between.map((text, i) => text + words[i]!).join('') + rest }
}

/** Here, unlike in requests, samplers may be called by any of their names, in any case. */
function sampler(name: string): Axis['set'] {
  return (value, { field: where }) => {
    const wanted = String(value).toLowerCase()
    const found = samplers.find(({ label, aliases }) =>
      [label, ...aliases].some((each) => each.toLowerCase() === wanted),
    )
    if (found) return { [name]: found.label }
    throw unknown(
      where,
      'sampler',
      String(value),
      samplers.map(({ label }) => ({ stem: label })),
    )
  }
}

function checkpoint(value: AxisValue, { body, studio, field: where }: Setting): Body {
  const found = studio.library.findCheckpoint(String(value))
  if (!found) throw unknown(where, 'checkpoint', String(value), studio.library.checkpoints())
  return overriding(body, 'sd_model_checkpoint', checkpointTitle(found))
}

function vae(value: AxisValue, { body }: Setting): Body {
  const name = String(value).trim()
  const known = ['Automatic', 'None'].find((each) => each.toLowerCase() === name.toLowerCase())
  return overriding(body, 'sd_vae', name.toLowerCase() === 'auto' ? 'Automatic' : (known ?? name))
}

function styles(value: AxisValue, { body }: Setting): Body {
  const own = Array.isArray(body.styles) ? body.styles : []
  return { styles: [...own, ...String(value).split(',')] }
}

/** More than one less than the steps cannot be. */
function unipcOrder(value: AxisValue, { body }: Setting): Body {
  const given = body.steps
  const steps = typeof given === 'number' ? given : 50
  return overriding(body, 'uni_pc_order', Math.max(1, Math.min(Number(value), steps - 1)))
}

function faceRestore(value: AxisValue, { body }: Setting): Body {
  const name = String(value).toLowerCase()
  const model = { codeformer: 'CodeFormer', gfpgan: 'GFPGAN' }[name]
  if (model === undefined) return { restore_faces: yes(value) }
  return { restore_faces: true, ...overriding(body, 'face_restoration_model', model) }
}

function truth(name: string): Axis['set'] {
  return (value, { body }) => overriding(body, name, yes(value))
}

function size(value: AxisValue, { field: where }: Setting): Body {
  const parts = /^\s*(\d+)\s*x\s*(\d+)\s*$/i.exec(String(value))
  if (parts) return { width: Number(parts[1]), height: Number(parts[2]) }
  throw new StudioError('bad-request', `${where}: found "${value}", expected a size such as 512x768`, { field: where })
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
