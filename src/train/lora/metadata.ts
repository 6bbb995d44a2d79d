import { basename } from 'node:path'
import { pythonFloat } from '../../image/pythonFloat.ts'
import type { dataFacts } from './data.ts'
import type { DatasetSettings } from './datasets.ts'
import type { Arguments } from './parameters.ts'
import type { LoraSettings } from './settings.ts'

/** What a network file tells of its training; every value is text, as Python prints it. */
export interface TrainingFacts {
  readonly args: Arguments
  readonly settings: LoraSettings
  readonly datasets: readonly DatasetSettings[]
  readonly data: ReturnType<typeof dataFacts>
  readonly base: {
    readonly name: string
    readonly hash: string
    readonly oldHash: string
    readonly version: string
    readonly isV: boolean
  }
  readonly vae: { readonly name: string; readonly hash: string; readonly oldHash: string } | undefined
  readonly sessionId: number
  readonly startedAt: Date
  readonly seed: number
  readonly batchesPerEpoch: number
  readonly epochs: number
  readonly totalSteps: number
  readonly programVersion: string
}

/** Metadata of a save after so many epochs and steps, by kohya's and the Model Spec's names. */
export function networkMetadata(
  facts: TrainingFacts,
  { epoch, step, now }: { epoch: number; step: number; now: Date },
): ReadonlyMap<string, string> {
  const { args } = facts
  const all = new Map<string, string>([...trainingKeys(facts, { epoch, step, now }), ...specKeys(facts, now)])
  if (!args.no_metadata) return all
  const kept = [
    'ss_v2',
    'ss_base_model_version',
    'ss_network_module',
    'ss_network_dim',
    'ss_network_alpha',
    'ss_network_args',
  ]
  return new Map([...all].filter(([key]) => kept.includes(key) || key.startsWith('modelspec.')))
}

/** Arguments that go into the metadata under their own names. */
const plain = [
  'learning_rate',
  'text_encoder_lr',
  'unet_lr',
  'gradient_checkpointing',
  'gradient_accumulation_steps',
  'lr_warmup_steps',
  'lr_scheduler',
  'network_module',
  'network_dropout',
  'clip_skip',
  'max_token_length',
  'cache_latents',
  'noise_offset',
  'noise_offset_random_strength',
  'multires_noise_iterations',
  'multires_noise_discount',
  'adaptive_noise_scale',
  'zero_terminal_snr',
  'ip_noise_gamma',
  'ip_noise_gamma_random_strength',
  'min_snr_gamma',
  'loss_type',
  'huber_schedule',
  'huber_scale',
  'huber_c',
  'scale_weight_norms',
  'max_grad_norm',
  'caption_dropout_rate',
  'caption_dropout_every_n_epochs',
  'caption_tag_dropout_rate',
  'face_crop_aug_range',
  'prior_loss_weight',
  'training_comment',
  'validation_seed',
  'validation_split',
  'max_validation_steps',
  'validate_every_n_epochs',
  'validate_every_n_steps',
  'resize_interpolation',
] as const satisfies readonly (keyof Arguments)[]

/** Those whose Python value is a float, however whole. */
const floats: ReadonlySet<string> = new Set([
  'network_alpha',
  'network_dropout',
  'noise_offset',
  'multires_noise_discount',
  'adaptive_noise_scale',
  'ip_noise_gamma',
  'min_snr_gamma',
  'huber_scale',
  'huber_c',
  'scale_weight_norms',
  'max_grad_norm',
  'caption_dropout_rate',
  'caption_tag_dropout_rate',
  'prior_loss_weight',
  'validation_split',
  'learning_rate',
  'unet_lr',
  'text_encoder_lr',
])

function trainingKeys(
  facts: TrainingFacts,
  { epoch, step, now }: { epoch: number; step: number; now: Date },
): readonly [string, string][] {
  const { args, settings, base, vae, data, datasets } = facts
  const seconds = (date: Date) => `${date.getTime() / 1000}`
  const networkArgs = {
    ...Object.fromEntries(
      args.network_args.map((arg) => [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)]),
    ),
    ...(args.network_args.length > 0 ? { dropout: args.network_dropout ?? null } : {}),
  }
  const keys: [string, string][] = [
    ['session_id', `${facts.sessionId}`],
    ['training_started_at', seconds(facts.startedAt)],
    ['training_finished_at', seconds(now)],
    ['output_name', python(args.output_name)],
    ['num_train_images', `${data.trainCount}`],
    ['num_validation_images', `${data.validationCount}`],
    ['num_reg_images', `${data.regularizationCount}`],
    ['num_batches_per_epoch', `${facts.batchesPerEpoch}`],
    ['num_epochs', `${facts.epochs}`],
    ['epoch', `${epoch}`],
    ['steps', `${step}`],
    ['max_train_steps', `${facts.totalSteps}`],
    ['network_dim', `${settings.network.dim}`],
    ['network_alpha', pythonFloat(settings.network.alpha)],
    ['mixed_precision', 'no'],
    ['full_fp16', 'False'],
    ['fp8_base', 'False'],
    ['fp8_base_unet', 'False'],
    ['lowram', 'False'],
    ['v2', python(base.version.startsWith('sd_v2'))],
    ['base_model_version', base.version],
    ['seed', `${facts.seed}`],
    ['optimizer', settings.optimizer.description],
    ['debiased_estimation', python(args.debiased_estimation_loss)],
    ['sd_model_name', basename(base.name)],
    ['sd_model_hash', base.oldHash],
    ['new_sd_model_hash', base.hash],
    ['tag_frequency', pythonJson(data.tags)],
    ['dataset_dirs', pythonJson(data.folders)],
    ...plain.map((name): [string, string] => [
      name,
      typeof args[name] === 'number' && floats.has(name) ? pythonFloat(args[name] as number) : python(args[name]),
    ]),
  ]
  if (args.network_args.length > 0) keys.push(['network_args', pythonJson(networkArgs)])
  if (vae) keys.push(['vae_name', basename(vae.name)], ['vae_hash', vae.oldHash], ['new_vae_hash', vae.hash])
  keys.push(
    ...(args.dataset_config === undefined
      ? folderKeys(args, datasets[0]!, data)
      : [['datasets', pythonJson(datasets.map(describe))] as [string, string]]),
  )
  return keys.map(([key, value]) => [`ss_${key}`, value])
}

/** What is told of a dataset made of folders. */
function folderKeys(
  args: Arguments,
  { batch, resolution }: DatasetSettings,
  data: TrainingFacts['data'],
): [string, string][] {
  const names = [
    'color_aug',
    'flip_aug',
    'random_crop',
    'shuffle_caption',
    'keep_tokens',
    'enable_bucket',
    'bucket_no_upscale',
  ] as const
  return [
    ['batch_size_per_device', `${batch}`],
    ['total_batch_size', `${batch}`],
    ['resolution', `(${resolution.join(', ')})`],
    ['min_bucket_reso', `${args.min_bucket_reso}`],
    ['max_bucket_reso', `${args.max_bucket_reso}`],
    ['reg_dataset_dirs', pythonJson(data.regularizationFolders)],
    ['bucket_info', pythonJson({ buckets: data.buckets, mean_img_ar_error: data.meanRatioError })],
    ...names.map((name): [string, string] => [name, python(args[name])]),
  ]
}

function describe({ batch, resolution, buckets, subsets }: DatasetSettings) {
  return {
    is_dreambooth: true,
    batch_size_per_device: batch,
    resolution,
    enable_bucket: buckets !== undefined,
    bucket_no_upscale: buckets?.noUpscale ?? false,
    min_bucket_reso: buckets?.minSide ?? null,
    max_bucket_reso: buckets?.maxSide ?? null,
    subsets: subsets.map(({ folder, repeats, classTokens, captions, isRegularization, isFlipped }) => ({
      image_dir: basename(folder),
      num_repeats: repeats,
      class_tokens: classTokens ?? null,
      is_reg: isRegularization,
      shuffle_caption: captions.isShuffled,
      keep_tokens: captions.keepTokens,
      caption_dropout_rate: captions.dropoutRate,
      flip_aug: isFlipped,
    })),
  }
}

function specKeys(
  { args, base, datasets, programVersion, startedAt }: TrainingFacts,
  now: Date,
): readonly [string, string][] {
  const [width, height] = datasets[0]!.resolution
  const architecture =
    base.version === 'sd_v1'
      ? 'stable-diffusion-v1'
      : base.isV
        ? 'stable-diffusion-v2-768-v'
        : 'stable-diffusion-v2-512'
  const said = {
    author: args.metadata_author,
    description: args.metadata_description,
    license: args.metadata_license,
    tags: args.metadata_tags,
    encoder_layer: args.clip_skip === undefined ? undefined : `${args.clip_skip}`,
    timestep_range:
      args.min_timestep === undefined && args.max_timestep === undefined
        ? undefined
        : `${args.min_timestep ?? 0},${args.max_timestep ?? 1000}`,
  }
  const keys: [string, string | undefined][] = [
    ['sai_model_spec', '1.0.1'],
    ['architecture', `${architecture}/lora`],
    ['implementation', 'diffusers'],
    ['implementation_version', `athanor/${programVersion}`],
    ['title', args.metadata_title ?? args.output_name ?? `LoRA@${Math.floor(startedAt.getTime() / 1000)}`],
    ['resolution', `${width}x${height}`],
    ['prediction_type', base.isV ? 'v' : 'epsilon'],
    ['date', now.toISOString().slice(0, 19)],
    ...Object.entries(said),
  ]
  return keys.flatMap(([key, value]) => (value === undefined ? [] : [[`modelspec.${key}`, value] as [string, string]]))
}

function python(value: unknown): string {
  if (value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return `${value}`
}

/** JSON with the spaces that Python puts in. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${pythonJson(item)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value)
}
