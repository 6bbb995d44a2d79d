import { StudioError } from '../errors.ts'
import type { Sidecars } from '../files/sidecars.ts'
import { type PlainMap, type PlainValue, titleOf, type WeightFile } from '../files/weights.ts'
import { configIn } from './configInMetadata.ts'
import type { ModelConfig, UnetConfig } from './configs.ts'
import { plainAt } from './plain.ts'

/** What is said about a model beside its tensors. Nothing said is undefined. */
export interface Statements {
  readonly prediction?: ModelConfig['prediction']
  readonly scaleFactor?: number
  readonly betas?: Partial<ModelConfig['betas']>
  readonly unetHeads?: UnetConfig['heads']
  readonly textHeads?: number
  readonly skippedLayers?: number
  readonly unetNormGroups?: number
  readonly vaeNormGroups?: number
  /** Sizes that the tensors have too, by what their source calls them: they must agree. */
  readonly sizes: ReadonlyMap<string, { readonly stated: PlainValue; readonly of: SizeName }>
  readonly textKind?: ModelConfig['text']['kind']
  /** What the statements come from, for messages. */
  readonly source: string
}

type SizeName = 'unet.inChannels' | 'unet.channels' | 'unet.mult' | 'unet.contextWidth' | 'vae.channels'

/** Gathers what the yaml beside a checkpoint, a diffusers folder's configuration or the file's metadata says. */
export function statements(file: WeightFile, { yaml, textModel }: Sidecars): Statements {
  const title = titleOf(file)
  const beside = file.configs
    ? diffusersStatements(file.configs, `${title}: its configuration`)
    : yaml
      ? yamlStatements(yaml, textModel, `${title}: the yaml beside it`)
      : embeddedStatements(file, `${title}: its metadata`)
  return { ...metadataPrediction(file), ...beside }
}

function embeddedStatements(file: WeightFile, source: string): Statements {
  const config = configIn(file)
  return config ? yamlStatements(config, undefined, source) : { sizes: new Map(), source }
}

/**
 * A tensor named `v_pred` is how some trainers mark a model that predicts v; the Model Spec has a field for it.
 */
function metadataPrediction({ metadata, entries }: WeightFile): Pick<Statements, 'prediction'> {
  const stated = metadata.get('modelspec.prediction_type')
  if (stated === 'v' || entries.has('v_pred')) return { prediction: 'v' }
  return stated === 'epsilon' ? { prediction: 'epsilon' } : {}
}

/** Text encoders by the last part of the class name in a yaml. */
const encoderClasses: ReadonlyMap<string, ModelConfig['text']['kind']> = new Map([
  ['FrozenCLIPEmbedder', 'clip'],
  ['FrozenOpenCLIPEmbedder', 'openclip'],
])

function yamlStatements(yaml: PlainMap, textModel: PlainMap | undefined, source: string): Statements {
  const model = (...path: string[]) => plainAt(yaml, 'model', 'params', ...path)
  const unet = (name: string) => model('unet_config', 'params', name)
  const encoder = model('cond_stage_config', 'target')
  const textKind = typeof encoder === 'string' ? encoderClasses.get(encoder.split('.').at(-1)!) : undefined
  if (encoder !== undefined && textKind === undefined) {
    throw new StudioError(
      'unsupported',
      `${source} names the text encoder ${String(encoder)}; CLIP and OpenCLIP are supported`,
    )
  }
  const schedule = model('beta_schedule')
  if (schedule !== undefined && schedule !== 'linear') {
    throw new StudioError('unsupported', `${source} names the noise schedule ${String(schedule)}; linear is supported`)
  }

  const parameterization = model('parameterization')
  return {
    source,
    // The class's own default where the yaml is silent.
    prediction: parameterization === 'v' ? 'v' : 'epsilon',
    ...optional('scaleFactor', positive(source, 'scale_factor', model('scale_factor'))),
    betas: {
      ...optional('start', positive(source, 'linear_start', model('linear_start'))),
      ...optional('end', positive(source, 'linear_end', model('linear_end'))),
      ...optional('timesteps', positive(source, 'timesteps', model('timesteps'))),
      ...(model('zero_terminal_snr') === true && { isZeroTerminal: true }),
    },
    ...optional('unetHeads', yamlHeads(source, unet)),
    ...optional(
      'textHeads',
      textHeads(source, textModel) ?? positive(source, 'heads', model('cond_stage_config', 'params', 'heads')),
    ),
    ...optional('unetNormGroups', positive(source, 'norm_num_groups', unet('norm_num_groups'))),
    ...optional(
      'vaeNormGroups',
      positive(source, 'norm_num_groups', model('first_stage_config', 'params', 'ddconfig', 'norm_num_groups')),
    ),
    ...optional('textKind', textKind),
    ...(textKind === 'openclip' && {
      skippedLayers: model('cond_stage_config', 'params', 'layer') === 'penultimate' ? 1 : 0,
    }),
    sizes: new Map(
      (
        [
          ['in_channels', unet('in_channels'), 'unet.inChannels'],
          ['model_channels', unet('model_channels'), 'unet.channels'],
          ['channel_mult', unet('channel_mult'), 'unet.mult'],
          ['context_dim', unet('context_dim'), 'unet.contextWidth'],
          ['ddconfig.ch', model('first_stage_config', 'params', 'ddconfig', 'ch'), 'vae.channels'],
        ] as const
      ).flatMap(([name, stated, of]) => (stated === undefined ? [] : [[name, { stated, of }] as const])),
    ),
  }
}

/** Heads of a fixed width, or a fixed number of them; −1 stands for "not used". */
function yamlHeads(source: string, unet: (name: string) => PlainValue | undefined): UnetConfig['heads'] | undefined {
  const stated = (name: string) => {
    const value = unet(name)
    return value === -1 ? undefined : positive(source, name, value)
  }
  const channels = stated('num_head_channels')
  const count = stated('num_heads')
  return channels !== undefined ? { channels } : count !== undefined ? { count } : undefined
}

/** Heads of the text encoder from its own configuration: Transformers' flat one, or OpenCLIP's. */
function textHeads(source: string, config: PlainMap | undefined): number | undefined {
  const heads = plainAt(config, 'num_attention_heads') ?? plainAt(config, 'text_cfg', 'heads')
  return positive(source, 'the number of heads of its text encoder', heads)
}

function diffusersStatements(configs: PlainMap, source: string): Statements {
  const schedule = plainAt(configs, 'scheduler', 'beta_schedule')
  if (schedule !== undefined && schedule !== 'scaled_linear') {
    throw new StudioError(
      'unsupported',
      `${source} names the noise schedule ${String(schedule)}; scaled_linear is supported`,
    )
  }
  const type = plainAt(configs, 'scheduler', 'prediction_type')
  if (type !== undefined && type !== 'epsilon' && type !== 'v_prediction') {
    throw new StudioError('unsupported', `${source} names the prediction ${String(type)}; epsilon and v are supported`)
  }
  const textModel = plainAt(configs, 'text_encoder')
  return {
    source,
    ...(type !== undefined && { prediction: type === 'v_prediction' ? ('v' as const) : ('epsilon' as const) }),
    ...optional('scaleFactor', positive(source, 'scaling_factor', plainAt(configs, 'vae', 'scaling_factor'))),
    betas: {
      ...optional('start', positive(source, 'beta_start', plainAt(configs, 'scheduler', 'beta_start'))),
      ...optional('end', positive(source, 'beta_end', plainAt(configs, 'scheduler', 'beta_end'))),
      ...optional(
        'timesteps',
        positive(source, 'num_train_timesteps', plainAt(configs, 'scheduler', 'num_train_timesteps')),
      ),
    },
    ...optional('unetHeads', diffusersHeads(source, configs)),
    ...optional('textHeads', textModel instanceof Map ? textHeads(source, textModel) : undefined),
    // Pipelines use the last layer of the encoder they hold, which for SD 2 has been cut by one.
    skippedLayers: 0,
    sizes: new Map(),
  }
}

/**
 * `attention_head_dim` of this class is, against its name, the number of heads: one for every level, or a list,
 * of which then the channels per head are the same at each.
 */
function diffusersHeads(source: string, configs: PlainMap): UnetConfig['heads'] | undefined {
  const stated = plainAt(configs, 'unet', 'num_attention_heads') ?? plainAt(configs, 'unet', 'attention_head_dim')
  const widths = plainAt(configs, 'unet', 'block_out_channels')
  if (!Array.isArray(stated) || !Array.isArray(widths)) {
    const count = positive(source, 'attention_head_dim', stated)
    return count === undefined ? undefined : { count }
  }
  const sizes = new Set(stated.map((heads, level) => Number(widths[level]) / Number(heads)))
  const [channels] = sizes
  if (sizes.size > 1 || channels === undefined || !Number.isInteger(channels)) {
    throw new StudioError('unsupported', `${source} has heads of several sizes: ${stated} for ${widths}`)
  }
  return { channels }
}

/** A stated number; nothing, or null, is not stated. */
function positive(source: string, name: string, value: PlainValue | undefined): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY) return value
  throw new StudioError('wrong-architecture', `${source} says ${name} is ${String(value)}, expected a positive number`)
}

/** A property that is left out where there is nothing to say. */
function optional<K extends string, V>(key: K, value: V | undefined): { readonly [key in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in K]?: V })
}
