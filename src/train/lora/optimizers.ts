import { StudioError } from '../../errors.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { nearestNames } from '../../text/nearestNames.ts'
import { adafactor } from '../optimizers/adafactor.ts'
import { adam, rmsprop } from '../optimizers/adam.ts'
import { adamw } from '../optimizers/adamw.ts'
import { dAdaptAdam, dAdaptAdamPreprint, dAdaptAdan, dAdaptLion, dAdaptSgd } from '../optimizers/dAdaptation.ts'
import { lion } from '../optimizers/lion.ts'
import type { MakeOptimizer, Optimizer } from '../optimizers/optimizer.ts'
import { prodigy } from '../optimizers/prodigy.ts'
import { adamwScheduleFree, radamScheduleFree, sgdScheduleFree } from '../optimizers/scheduleFree.ts'
import { sgdNesterov } from '../optimizers/sgdNesterov.ts'
import { Taken } from './keyValues.ts'

/** An optimizer as a training names it. */
export interface ChosenOptimizer {
  readonly make: (parameters: readonly Tensor[]) => Optimizer
  /** The class whose rule it is, with its arguments, as metadata tell it. */
  readonly description: string
  /** Whether it finds its own step size, so that learning rates are near 1 and one rate holds for all. */
  readonly isAdaptive: boolean
  /** Whether it makes a schedule of its own and the chosen one has no say. */
  readonly ignoresSchedule: boolean
  readonly notes: readonly string[]
}

/** How an argument of the original is called here, and what kind of value it has. */
type Names = Readonly<Record<string, readonly [kind: 'number' | 'boolean', name: string]>>

interface Entry {
  readonly className: string
  readonly make: MakeOptimizer<never>
  readonly names: Names
  /** Arguments of the original that are its own affair, such as how often it prints. */
  readonly inert?: readonly string[]
  readonly betas?: readonly string[]
  readonly isAdaptive?: boolean
}

const decay: Names = { weight_decay: ['number', 'weightDecay'] }
const epsilon: Names = { eps: ['number', 'epsilon'] }
const two = ['beta1', 'beta2'] as const
const adaptive: Names = { ...decay, d0: ['number', 'd0'], growth_rate: ['number', 'growthRate'] }
const averaged: Names = {
  ...decay,
  r: ['number', 'r'],
  weight_lr_power: ['number', 'weightLrPower'],
  warmup_steps: ['number', 'warmupSteps'],
}
const torch = ['amsgrad', 'foreach', 'maximize', 'capturable', 'differentiable', 'fused']

function entry(className: string, make: unknown, names: Names, more: Partial<Entry> = {}): Entry {
  return { className, make: make as MakeOptimizer<never>, names, ...more }
}

const table: Readonly<Record<string, Entry>> = {
  AdamW: entry('torch.optim.adamw.AdamW', adamw, { ...decay, ...epsilon }, { betas: two, inert: torch }),
  Adam: entry('torch.optim.adam.Adam', adam, { ...decay, ...epsilon }, { betas: two, inert: torch }),
  RMSprop: entry(
    'torch.optim.rmsprop.RMSprop',
    rmsprop,
    { ...decay, ...epsilon, alpha: ['number', 'smoothing'] },
    { inert: torch },
  ),
  Lion: entry('lion_pytorch.lion_pytorch.Lion', lion, decay, { betas: two }),
  SGDNesterov: entry(
    'torch.optim.sgd.SGD',
    sgdNesterov,
    { ...decay, momentum: ['number', 'momentum'] },
    { inert: torch },
  ),
  Adafactor: entry('transformers.optimization.Adafactor', adafactor, {
    ...decay,
    relative_step: ['boolean', 'relativeStep'],
    scale_parameter: ['boolean', 'scaleParameter'],
    warmup_init: ['boolean', 'warmupInit'],
    clip_threshold: ['number', 'clipThreshold'],
    decay_rate: ['number', 'decayRate'],
    beta1: ['number', 'beta1'],
  }),
  Prodigy: entry(
    'prodigyopt.prodigy.Prodigy',
    prodigy,
    {
      ...adaptive,
      ...epsilon,
      decouple: ['boolean', 'decouple'],
      d_coef: ['number', 'dCoef'],
      use_bias_correction: ['boolean', 'useBiasCorrection'],
      safeguard_warmup: ['boolean', 'safeguardWarmup'],
    },
    { betas: two, isAdaptive: true, inert: ['fsdp_in_use', 'slice_p'] },
  ),
  DAdaptAdam: entry(
    'dadaptation.dadapt_adam.DAdaptAdam',
    dAdaptAdam,
    {
      ...adaptive,
      ...epsilon,
      decouple: ['boolean', 'decouple'],
      use_bias_correction: ['boolean', 'useBiasCorrection'],
    },
    { betas: two, isAdaptive: true, inert: ['log_every', 'fsdp_in_use'] },
  ),
  DAdaptation: entry(
    'dadaptation.experimental.dadapt_adam_preprint.DAdaptAdamPreprint',
    dAdaptAdamPreprint,
    { ...adaptive, ...epsilon, decouple: ['boolean', 'decouple'] },
    { betas: two, isAdaptive: true, inert: ['log_every', 'fsdp_in_use'] },
  ),
  DAdaptAdan: entry(
    'dadaptation.dadapt_adan.DAdaptAdan',
    dAdaptAdan,
    { ...adaptive, ...epsilon },
    {
      betas: [...two, 'beta3'],
      isAdaptive: true,
      inert: ['log_every'],
    },
  ),
  DAdaptLion: entry(
    'dadaptation.dadapt_lion.DAdaptLion',
    dAdaptLion,
    { ...decay, d0: ['number', 'd0'] },
    {
      betas: two,
      isAdaptive: true,
      inert: ['log_every', 'fsdp_in_use'],
    },
  ),
  DAdaptSGD: entry(
    'dadaptation.dadapt_sgd.DAdaptSGD',
    dAdaptSgd,
    { ...adaptive, momentum: ['number', 'momentum'] },
    {
      isAdaptive: true,
      inert: ['log_every', 'fsdp_in_use'],
    },
  ),
  AdamWScheduleFree: entry(
    'schedulefree.adamw_schedulefree.AdamWScheduleFree',
    adamwScheduleFree,
    { ...averaged, ...epsilon },
    {
      betas: two,
      inert: torch,
    },
  ),
  RAdamScheduleFree: entry(
    'schedulefree.radam_schedulefree.RAdamScheduleFree',
    radamScheduleFree,
    { ...averaged, ...epsilon, silent_sgd_phase: ['boolean', 'silentSgdPhase'] },
    { betas: two, inert: torch },
  ),
  SGDScheduleFree: entry('schedulefree.sgd_schedulefree.SGDScheduleFree', sgdScheduleFree, {
    ...averaged,
    momentum: ['number', 'momentum'],
  }),
}

/** Other ways to store the same optimizer's memory, which is float32 here. */
const stored: Readonly<Record<string, string>> = {
  AdamW8bit: 'AdamW',
  PagedAdamW: 'AdamW',
  PagedAdamW8bit: 'AdamW',
  PagedAdamW32bit: 'AdamW',
  Lion8bit: 'Lion',
  PagedLion8bit: 'Lion',
  SGDNesterov8bit: 'SGDNesterov',
  DAdaptAdamPreprint: 'DAdaptation',
}

/** The optimizer called so, in whatever case, with its `key=value` arguments. */
export function chosenOptimizer(type: string, args: readonly string[]): ChosenOptimizer {
  const field = 'optimizer_type'
  const wanted = type === '' ? 'AdamW' : (type.split('.').at(-1) ?? type)
  const named = (names: readonly string[]) => names.find((name) => name.toLowerCase() === wanted.toLowerCase())
  const alias = named(Object.keys(stored))
  const name = alias === undefined ? named(Object.keys(table)) : stored[alias]
  const found = name === undefined ? undefined : table[name]
  if (!found) {
    if (wanted.toLowerCase() === 'dadaptadagrad') {
      throw new StudioError('unsupported', `${field}: DAdaptAdaGrad is not here; DAdaptAdam is its successor`, {
        field,
      })
    }
    const [nearest] = nearestNames(wanted, Object.keys(table))
    const hint = nearest === undefined ? `there are ${Object.keys(table).join(', ')}` : `did you mean ${nearest}?`
    throw new StudioError('unknown-name', `${field}: no optimizer is called "${type}"; ${hint}`, { field })
  }

  const taken = new Taken('optimizer_args', args)
  const options: Record<string, number | boolean> = {}
  for (const [foreign, [kind, own]] of Object.entries(found.names)) {
    const value = taken[kind](foreign)
    if (value !== undefined) options[own] = value
  }
  const betas = found.betas && taken.numbers('betas')
  for (const [i, beta] of (betas ?? []).entries()) if (found.betas?.[i] !== undefined) options[found.betas[i]!] = beta
  const inert = taken.finish(found.inert)
  const isRelative = name === 'Adafactor' && options.relativeStep !== false
  const described = descriptionOf(name!, args, isRelative)
  return {
    make: (parameters) => found.make(parameters, options as never),
    description: described === '' ? found.className : `${found.className}(${described})`,
    isAdaptive: found.isAdaptive ?? false,
    ignoresSchedule: isRelative || /ScheduleFree/.test(name!),
    notes: [
      ...(alias === undefined ? [] : [`optimizer_type: ${alias} keeps its memory in float32 here, as ${name} does`]),
      ...inert.map((key) => `optimizer_args: ${key} has no effect here`),
    ],
  }
}

/** Arguments as Python prints them, with those that the original sets itself. */
function descriptionOf(name: string, args: readonly string[], isRelative: boolean): string {
  const printed = args.map((arg) => {
    const [key, value = ''] = [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)]
    const isBare = value.includes(',') && !/^[([]/.test(value)
    return `${key}=${
      isBare
        ? `(${value
            .split(',')
            .map((x) => x.trim())
            .join(', ')})`
        : pythonNumber(value)
    }`
  })
  if (name === 'SGDNesterov' && !args.some((arg) => arg.startsWith('momentum='))) printed.push('momentum=0.9')
  if (isRelative && !args.some((arg) => arg.startsWith('relative_step='))) printed.push('relative_step=True')
  return printed.join(',')
}

/** `1e-6` is `1e-06` in Python. */
function pythonNumber(text: string): string {
  return text.replace(/^([\d.]+e[+-])(\d)$/, '$10$2')
}
