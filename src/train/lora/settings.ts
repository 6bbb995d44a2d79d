import { StudioError } from '../../errors.ts'
import { type LrScheduleName, type LrScheduleOptions, lrScheduleNames } from '../lrSchedule.ts'
import type { Dropout } from './dropout.ts'
import type { LossType } from './graph.ts'
import { Taken } from './keyValues.ts'
import type { NetworkOptions } from './network.ts'
import { type NetworkSettings, networkSettings } from './networkSettings.ts'
import type { NoiseOptions } from './noising.ts'
import { type ChosenOptimizer, chosenOptimizer } from './optimizers.ts'
import type { Arguments } from './parameters.ts'
import type { BendOptions, WeightingOptions } from './weighting.ts'

/** What the arguments of a training come to, apart from its data. */
export interface LoraSettings {
  readonly network: NetworkOptions
  readonly dropout: Dropout
  readonly rates: NetworkSettings['rates']
  readonly optimizer: ChosenOptimizer
  readonly schedule: (totalSteps: number) => LrScheduleOptions
  /** 0 leaves gradients as long as they are. */
  readonly maxGradientNorm: number
  readonly noise: NoiseOptions
  readonly loss: LossType
  readonly bend: BendOptions
  readonly weighting: Omit<WeightingOptions, 'prediction'>
  /** Timesteps are drawn from the first to below the second. */
  readonly timesteps: readonly [from: number, below: number]
  /** Whether the way back computes anew what it needs instead of keeping it. */
  readonly recomputes: boolean
  readonly text: { readonly chunks: number; readonly skip: number; readonly isWeighted: boolean }
  readonly notes: readonly string[]
}

/** Understands the arguments; what contradicts itself is an error that names the parameter. */
export function loraSettings(args: Arguments): LoraSettings {
  checkTogether(args)
  const network = networkSettings(args)
  const optimizer = chosenOptimizer(optimizerType(args), args.optimizer_args)
  const notes = [...network.notes, ...optimizer.notes]
  const { text, unet } = network.rates
  if (optimizer.isAdaptive && Math.max(text, unet) <= 0.1) {
    notes.push(`learning_rate: ${Math.max(text, unet)} is small for an optimizer that finds its own; 1 is usual`)
  }
  if (optimizer.isAdaptive && text !== unet && text > 0 && unet > 0) {
    notes.push('text_encoder_lr, unet_lr: an optimizer that finds its own rate goes by the larger of the two')
  }
  if (args.zero_terminal_snr && !args.v_parameterization) {
    notes.push('zero_terminal_snr: a model that predicts noise learns nothing from noise alone; it is meant for v')
  }
  if (oneOf('save_model_as', args.save_model_as, ['safetensors', 'ckpt', 'pt']) !== 'safetensors') {
    notes.push(`save_model_as: ${args.save_model_as} would be a program that others run; safetensors are written`)
  }
  return {
    network: network.network,
    dropout: network.dropout,
    rates: network.rates,
    optimizer,
    schedule: scheduleOf(args, optimizer),
    maxGradientNorm: args.max_grad_norm,
    noise: {
      offset: args.noise_offset ?? 0,
      isOffsetRandom: args.noise_offset_random_strength,
      adaptiveScale: args.adaptive_noise_scale,
      pyramid: args.multires_noise_iterations
        ? { iterations: args.multires_noise_iterations, discount: args.multires_noise_discount }
        : undefined,
      inputPerturbation: args.ip_noise_gamma ?? 0,
      isPerturbationRandom: args.ip_noise_gamma_random_strength,
    },
    loss: oneOf('loss_type', args.loss_type, ['l2', 'l1', 'huber', 'smooth_l1']),
    bend: {
      schedule: oneOf('huber_schedule', args.huber_schedule, ['constant', 'exponential', 'snr']),
      c: positive('huber_c', args.huber_c),
      scale: positive('huber_scale', args.huber_scale),
    },
    weighting: {
      minSnrGamma: args.min_snr_gamma ? positive('min_snr_gamma', args.min_snr_gamma) : undefined,
      scalesLikeNoise: args.scale_v_pred_loss_like_noise_pred,
      vLikeLoss: args.v_pred_like_loss || undefined,
      isDebiased: args.debiased_estimation_loss,
    },
    timesteps: timestepsOf(args),
    recomputes: args.gradient_checkpointing,
    text: { chunks: chunksOf(args), skip: skipOf(args), isWeighted: args.weighted_captions },
    notes,
  }
}

function checkTogether(args: Arguments): void {
  const refuse = (field: string, problem: string) => {
    throw new StudioError('bad-request', `${field}: ${problem}`, { field })
  }
  if (args.adaptive_noise_scale !== undefined && !args.noise_offset) {
    refuse('adaptive_noise_scale', 'changes noise_offset, which is not given')
  }
  if (args.scale_v_pred_loss_like_noise_pred && !args.v_parameterization) {
    refuse('scale_v_pred_loss_like_noise_pred', 'needs v_parameterization')
  }
  if (args.v_pred_like_loss && args.v_parameterization) {
    refuse('v_pred_like_loss', 'is for models that predict noise, not with v_parameterization')
  }
  if (args.network_train_unet_only && args.network_train_text_encoder_only) {
    refuse('network_train_text_encoder_only', 'contradicts network_train_unet_only')
  }
  for (const name of [
    'train_batch_size',
    'gradient_accumulation_steps',
    'max_train_steps',
    'max_train_epochs',
  ] as const) {
    const value = args[name]
    if (value !== undefined && value < 1) refuse(name, `is ${value}, expected at least 1`)
  }
}

function optimizerType(args: Arguments): string {
  if (args.optimizer_type !== '') return args.optimizer_type
  if (args.use_lion_optimizer) return 'Lion'
  return args.use_8bit_adam ? 'AdamW8bit' : 'AdamW'
}

function scheduleOf(args: Arguments, { ignoresSchedule }: ChosenOptimizer): LoraSettings['schedule'] {
  const wanted = args.lr_scheduler.toLowerCase()
  const name: LrScheduleName =
    ignoresSchedule || wanted.startsWith('adafactor') ? 'constant' : oneOf('lr_scheduler', wanted, lrScheduleNames)
  const rules = new Taken('lr_scheduler_args', args.lr_scheduler_args).text('step_rules')
  return (totalSteps) => ({
    name,
    totalSteps,
    warmupSteps: ignoresSchedule ? 0 : stepsOf('lr_warmup_steps', args.lr_warmup_steps, totalSteps),
    cycles: args.lr_scheduler_num_cycles,
    power: args.lr_scheduler_power,
    timescale: args.lr_scheduler_timescale,
    minRatio: args.lr_scheduler_min_lr_ratio ?? 0,
    decaySteps: stepsOf('lr_decay_steps', args.lr_decay_steps, totalSteps),
    baseRate: args.learning_rate,
    pieces: piecesOf(rules),
  })
}

/** `1:10,0.1:20,0.01`: the factor up to a step, and after the last of them. */
function piecesOf(rules: string | undefined): LrScheduleOptions['pieces'] {
  if (rules === undefined) return { until: [], last: 1 }
  const parts = rules.split(',').map((part) => part.split(':').map(Number))
  const last = parts.pop()!
  if (last.length !== 1 || [...parts.flat(), ...last].some(Number.isNaN) || parts.some(({ length }) => length !== 2)) {
    throw new StudioError(
      'bad-request',
      `lr_scheduler_args: step_rules is ${rules}, expected such as 1:10,0.1:20,0.01`,
      {
        field: 'lr_scheduler_args',
      },
    )
  }
  return { until: parts.map(([step, factor]) => ({ step: step!, factor: factor! })), last: last[0]! }
}

/** A number of steps, a share of them below 1, or a percentage. */
export function stepsOf(field: string, text: string, totalSteps: number): number {
  const match = /^([\d.]+(?:e[+-]?\d+)?)(%?)$/i.exec(text.trim())
  const value = match ? Number(match[1]) : Number.NaN
  if (Number.isNaN(value)) {
    throw new StudioError('bad-request', `${field}: found "${text}", expected steps, a share below 1 or a percentage`, {
      field,
    })
  }
  if (match![2] === '%') return Math.floor((value / 100) * totalSteps)
  return value < 1 ? Math.floor(value * totalSteps) : Math.floor(value)
}

function timestepsOf({ min_timestep, max_timestep }: Arguments): readonly [number, number] {
  const [from, below] = [min_timestep ?? 0, max_timestep ?? 1000]
  if (from < 0 || below > 1000 || from > below) {
    throw new StudioError('bad-request', `min_timestep: ${from} to ${below} is no part of 0 to 1000`, {
      field: 'min_timestep',
    })
  }
  return from === below ? [from, from + 1] : [from, below]
}

/** Windows of 75 tokens. Training pages send 255 and mean all there are. */
function chunksOf({ max_token_length: length }: Arguments): number {
  if (length === undefined || length === 0) return 1
  if (length < 1)
    throw new StudioError('bad-request', `max_token_length: is ${length}, expected 75, 150 or 225`, {
      field: 'max_token_length',
    })
  return Math.min(3, Math.ceil(length / 75))
}

function skipOf({ clip_skip: skip }: Arguments): number {
  if (skip === undefined || skip === 0) return 0
  if (skip < 1 || skip > 12)
    throw new StudioError('bad-request', `clip_skip: is ${skip}, expected 1 to 12`, { field: 'clip_skip' })
  return skip - 1
}

function positive(field: string, value: number): number {
  if (value > 0) return value
  throw new StudioError('bad-request', `${field}: is ${value}, expected more than 0`, { field })
}

function oneOf<Name extends string>(field: string, value: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === value)
  if (found) return found
  throw new StudioError('bad-request', `${field}: found "${value}", expected one of ${names.join(', ')}`, { field })
}
