import { StudioError } from '../errors.ts'
import type { Sidecars } from '../files/sidecars.ts'
import type { PlainMap, PlainValue, WeightFile } from '../files/weights.ts'
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
  /** Sizes that the tensors have too, by what their source calls them: they must agree. */
  readonly sizes: ReadonlyMap<string, { readonly stated: PlainValue; readonly of: SizeName }>
  /** What the statements come from, for messages. */
  readonly source: string
}

type SizeName = 'unet.inChannels' | 'unet.channels' | 'unet.mult' | 'unet.contextWidth' | 'vae.channels'

/** Gathers what the yaml beside a checkpoint, a diffusers folder's configuration or the file's metadata says. */
export function statements(file: WeightFile, { yaml, textModel }: Sidecars): Statements {
  const fromMetadata = metadataPrediction(file)
  if (file.configs) return { ...fromMetadata, ...diffusersStatements(file.configs) }
  return { ...fromMetadata, ...(yaml ? yamlStatements(yaml, textModel) : { sizes: new Map(), source: 'its metadata' }) }
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
const encoderClasses: ReadonlySet<string> = new Set(['FrozenCLIPEmbedder', 'FrozenOpenCLIPEmbedder'])

function yamlStatements(yaml: PlainMap, textModel: PlainMap | undefined): Statements {
  const source = 'the yaml beside it'
  const model = (...path: string[]) => plainAt(yaml, 'model', 'params', ...path)
  const unet = (name: string) => model('unet_config', 'params', name)
  const encoder = model('cond_stage_config', 'target')
  const encoderClass = typeof encoder === 'string' ? encoder.split('.').at(-1)! : undefined
  if (encoderClass !== undefined && !encoderClasses.has(encoderClass)) {
    throw new StudioError('unsupported', `${source} names the text encoder ${encoder}; CLIP and OpenCLIP are supported`)
  }
  const schedule = model('beta_schedule')
  if (schedule !== undefined && schedule !== 'linear') {
    throw new StudioError('unsupported', `${source} names the noise schedule ${String(schedule)}; linear is supported`)
  }

  const parameterization = model('parameterization')
  const isOpenClip = encoderClass === 'FrozenOpenCLIPEmbedder'
  return {
    source,
    // The class's own default where the yaml is silent.
    prediction: parameterization === 'v' ? 'v' : 'epsilon',
    ...optional('scaleFactor', number(model('scale_factor'))),
    betas: {
      ...optional('start', number(model('linear_start'))),
      ...optional('end', number(model('linear_end'))),
      ...optional('timesteps', number(model('timesteps'))),
    },
    ...optional('unetHeads', yamlHeads(number(unet('num_heads')), number(unet('num_head_channels')))),
    ...optional('textHeads', textHeads(textModel)),
    ...(isOpenClip && { skippedLayers: model('cond_stage_config', 'params', 'layer') === 'penultimate' ? 1 : 0 }),
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

/** −1 stands for "not used" in these files. */
function yamlHeads(count: number | undefined, channels: number | undefined): UnetConfig['heads'] | undefined {
  if (channels !== undefined && channels > 0) return { channels }
  return count !== undefined && count > 0 ? { count } : undefined
}

/** Heads of the text encoder from its own configuration: Transformers' flat one, or OpenCLIP's. */
function textHeads(config: PlainMap | undefined): number | undefined {
  return number(plainAt(config, 'num_attention_heads') ?? plainAt(config, 'text_cfg', 'heads'))
}

function diffusersStatements(configs: PlainMap): Statements {
  const source = 'its configuration'
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
    ...optional('scaleFactor', number(plainAt(configs, 'vae', 'scaling_factor'))),
    betas: {
      ...optional('start', number(plainAt(configs, 'scheduler', 'beta_start'))),
      ...optional('end', number(plainAt(configs, 'scheduler', 'beta_end'))),
      ...optional('timesteps', number(plainAt(configs, 'scheduler', 'num_train_timesteps'))),
    },
    ...optional('unetHeads', diffusersHeads(configs)),
    ...optional('textHeads', textModel instanceof Map ? textHeads(textModel) : undefined),
    // Pipelines use the last layer of the encoder they hold, which for SD 2 has been cut by one.
    skippedLayers: 0,
    sizes: new Map(),
  }
}

/**
 * `attention_head_dim` of this class is, against its name, the number of heads: one for every level, or a list,
 * of which then the channels per head are the same at each.
 */
function diffusersHeads(configs: PlainMap): UnetConfig['heads'] | undefined {
  const stated = plainAt(configs, 'unet', 'num_attention_heads') ?? plainAt(configs, 'unet', 'attention_head_dim')
  const widths = plainAt(configs, 'unet', 'block_out_channels')
  if (typeof stated === 'number') return { count: stated }
  if (!Array.isArray(stated) || !Array.isArray(widths)) return undefined
  const sizes = new Set(stated.map((heads, level) => Number(widths[level]) / Number(heads)))
  const [channels] = sizes
  if (sizes.size > 1 || channels === undefined || !Number.isInteger(channels)) {
    throw new StudioError('unsupported', `its configuration has heads of several sizes: ${stated} for ${widths}`)
  }
  return { channels }
}

function number(value: PlainValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** A property that is left out where there is nothing to say. */
function optional<K extends string, V>(key: K, value: V | undefined): { readonly [key in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in K]?: V })
}
