import { StudioError } from '../../errors.ts'
import { lrWeights } from './blockLr.ts'
import type { Dropout } from './dropout.ts'
import { Taken } from './keyValues.ts'
import { blockCount } from './modules.ts'
import type { BlockRanks, NetworkFamily, NetworkOptions } from './network.ts'
import type { Arguments } from './parameters.ts'

export interface NetworkSettings {
  readonly network: NetworkOptions
  readonly dropout: Dropout
  readonly rates: {
    readonly text: number
    readonly unet: number
    /** Factors on the rate of the matrices that begin with zeros (LoRA+, Hayou et al. 2024). */
    readonly plus: { readonly text: number; readonly unet: number }
    /** Factors by the UNet's block; undefined where all learn alike. */
    readonly blocks: readonly number[] | undefined
  }
  readonly notes: readonly string[]
}

/** Algorithms of LyCORIS that are trained here. */
const algorithms: Readonly<Record<string, NetworkFamily>> = { lora: 'lora', locon: 'lora', loha: 'loha', lokr: 'lokr' }
/** Networks of the original, as module names. */
const modules: Readonly<Record<string, 'kohya' | 'lycoris'>> = {
  'networks.lora': 'kohya',
  'lycoris.kohya': 'lycoris',
  'networks.loha': 'lycoris',
  'networks.lokr': 'lycoris',
}
/** Which layers LyCORIS' presets reach. */
const presets: Readonly<Record<string, { conv: boolean; ends: boolean; text: boolean }>> = {
  full: { conv: true, ends: true, text: true },
  'attn-mlp': { conv: false, ends: false, text: true },
  'unet-transformer-only': { conv: false, ends: false, text: false },
  'unet-only': { conv: true, ends: true, text: false },
}

/** The network, its dropout and its learning rates, from `network_*` and rate arguments. */
export function networkSettings(args: Arguments): NetworkSettings {
  const field = 'network_module'
  const kind = modules[args.network_module]
  if (!kind) {
    const known = Object.keys(modules).join(', ')
    throw new StudioError('unsupported', `${field}: "${args.network_module}" is not trained here; there are ${known}`, {
      field,
    })
  }
  const taken = new Taken('network_args', args.network_args)
  const dim = args.network_dim ?? 4
  if (dim < 1)
    throw new StudioError('bad-request', `network_dim: is ${dim}, expected at least 1`, { field: 'network_dim' })
  const plus = taken.number('loraplus_lr_ratio') ?? 1
  const common = {
    dim,
    alpha: args.network_alpha,
    hasText: !args.network_train_unet_only,
    hasUnet: !args.network_train_text_encoder_only,
  }
  const weights = lrWeights(taken)
  const network =
    kind === 'kohya' ? kohyaNetwork(taken, common, weights) : lycorisNetwork(taken, common, args.network_module)
  const dropout: Dropout = {
    element: args.network_dropout ?? taken.number('dropout') ?? 0,
    rank: taken.number('rank_dropout') ?? 0,
    module: taken.number('module_dropout') ?? 0,
  }
  const plusOf = {
    text: taken.number('loraplus_text_encoder_lr_ratio') ?? plus,
    unet: taken.number('loraplus_unet_lr_ratio') ?? plus,
  }
  const inert = taken.finish([
    'verbose',
    'use_cp',
    'use_tucker',
    'use_scalar',
    'bypass_mode',
    'train_norm',
    'rank_dropout_scale',
  ])
  const isBeside = network.family === 'lora' && !network.isDora
  const notes = inert.map((key) => `network_args: ${key} has no effect here`)
  if (!isBeside && dropout.element + dropout.rank + dropout.module > 0) {
    notes.push('network_dropout: has an effect on plain LoRA and LoCon only')
  }
  return {
    network,
    dropout: isBeside ? dropout : { element: 0, rank: 0, module: 0 },
    rates: {
      text: network.hasText ? (args.text_encoder_lr ?? args.learning_rate) : 0,
      unet: network.hasUnet ? (args.unet_lr ?? args.learning_rate) : 0,
      plus: plusOf,
      blocks: weights,
    },
    notes,
  }
}

interface Common {
  readonly dim: number
  readonly alpha: number
  readonly hasText: boolean
  readonly hasUnet: boolean
}

function kohyaNetwork(taken: Taken, common: Common, weights: readonly number[] | undefined): NetworkOptions {
  const convDim = taken.number('conv_dim')
  const convAlpha = taken.number('conv_alpha')
  return {
    ...common,
    family: 'lora',
    conv: convDim ? { dim: convDim, alpha: convAlpha ?? 1 } : undefined,
    hasEnds: false,
    blocks: blockRanks(taken, 'block', common),
    convBlocks: blockRanks(taken, 'conv_block', { dim: convDim ?? 0, alpha: convAlpha ?? 1 }),
    frozenBlocks: new Set((weights ?? []).flatMap((weight, block) => (weight === 0 ? [block] : []))),
    isDora: taken.boolean('dora_wd') ?? false,
    isRankStabilized: taken.boolean('rs_lora') ?? false,
    factor: -1,
  }
}

function lycorisNetwork(taken: Taken, common: Common, module: string): NetworkOptions {
  const algo = taken.text('algo') ?? (module === 'lycoris.kohya' ? 'locon' : module.slice('networks.'.length))
  const family = algorithms[algo.toLowerCase()]
  if (!family) {
    throw new StudioError(
      'unsupported',
      `network_args: algo=${algo} is not trained here; there are ${Object.keys(algorithms).join(', ')}`,
      {
        field: 'network_args',
      },
    )
  }
  const isKohyas = module !== 'lycoris.kohya'
  const presetName = taken.text('preset') ?? (isKohyas ? 'attn-mlp' : 'full')
  const preset = presets[presetName]
  if (!preset) {
    throw new StudioError(
      'unsupported',
      `network_args: preset=${presetName} is not known; there are ${Object.keys(presets).join(', ')}`,
      {
        field: 'network_args',
      },
    )
  }
  const convDim = taken.number('conv_dim') ?? (isKohyas ? 0 : common.dim)
  const convAlpha = taken.number('conv_alpha') ?? common.alpha
  const hasConv = convDim > 0 && (preset.conv || isKohyas)
  return {
    ...common,
    family,
    conv: hasConv ? { dim: convDim, alpha: convAlpha } : undefined,
    hasEnds: preset.ends && hasConv,
    blocks: undefined,
    convBlocks: undefined,
    frozenBlocks: new Set(),
    hasText: common.hasText && preset.text,
    isDora: taken.boolean('dora_wd') ?? false,
    isRankStabilized: taken.boolean('rs_lora') ?? false,
    factor: taken.number('factor') ?? -1,
  }
}

function blockRanks(
  taken: Taken,
  prefix: 'block' | 'conv_block',
  { dim, alpha }: { dim: number; alpha: number },
): BlockRanks | undefined {
  const read = (name: string, fallback: number) => {
    const numbers = taken.numbers(name)
    if (numbers && numbers.length !== blockCount) {
      throw new StudioError(
        'bad-request',
        `network_args: ${name} has ${numbers.length} numbers, expected ${blockCount}`,
        {
          field: 'network_args',
        },
      )
    }
    return numbers ?? new Array<number>(blockCount).fill(fallback)
  }
  const isGiven = taken.has(`${prefix}_dims`)
  const [dims, alphas] = [read(`${prefix}_dims`, dim), read(`${prefix}_alphas`, alpha)]
  return isGiven ? { dims, alphas } : undefined
}
