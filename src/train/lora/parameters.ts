/** A parameter of kohya's trainer: how its value is read, what it is unless given, and why it may have no effect here. */
interface Parameter<Kind extends string, Fallback> {
  readonly kind: Kind
  readonly fallback: Fallback
  /** Set where the parameter is accepted and changes nothing: the reason, which is told once. */
  readonly inert?: string
}

const of =
  <const Kind extends string>(kind: Kind) =>
  <Fallback>(fallback: Fallback): Parameter<Kind, Fallback> => ({ kind, fallback })

const [text, number, whole, list] = [of('text'), of('number'), of('whole'), of('list')]
const none = undefined
const flag: Parameter<'flag', boolean> = { kind: 'flag', fallback: false }

function inert(reason: string, kind: 'text' | 'flag' | 'list' = 'text'): Parameter<typeof kind, undefined> {
  return { kind, fallback: undefined, inert: reason }
}

const speed = 'the way to compute is chosen here by the machine'
const attention = "attention's scores are never kept here"
const precision = 'training computes in float32 here, which is what the other precisions stand in for'
const workers = 'pictures are prepared before training, without loader processes'
const tracker = 'runs are logged to TensorBoard files only'
const elsewhere = 'nothing is uploaded or downloaded here'

/** Every parameter of the trainer's command line that a LoRA on SD 1 and 2 may meet, with its defaults. */
export const parameters = {
  pretrained_model_name_or_path: text(none as string | undefined),
  vae: text(none as string | undefined),
  v_parameterization: flag,
  zero_terminal_snr: flag,
  clip_skip: whole(none as number | undefined),
  max_token_length: whole(none as number | undefined),
  weighted_captions: flag,
  v2: inert('whether the base is SD 1 or 2 is read off its tensors', 'flag'),
  tokenizer_cache_dir: inert('the tokenizer travels with the program'),
  no_half_vae: inert(precision, 'flag'),
  lowram: inert(speed, 'flag'),
  highvram: inert(speed, 'flag'),
  fp8_base: inert(precision, 'flag'),
  fp8_base_unet: inert(precision, 'flag'),

  train_data_dir: text(none as string | undefined),
  reg_data_dir: text(none as string | undefined),
  dataset_config: text(none as string | undefined),
  in_json: text(none as string | undefined),
  resolution: text(none as string | undefined),
  train_batch_size: whole(1),
  dataset_repeats: whole(1),
  caption_extension: text(none as string | undefined),
  caption_extention: text(none as string | undefined),
  shuffle_caption: flag,
  keep_tokens: whole(0),
  keep_tokens_separator: text(''),
  caption_separator: text(','),
  secondary_separator: text(none as string | undefined),
  enable_wildcard: flag,
  caption_prefix: text(none as string | undefined),
  caption_suffix: text(none as string | undefined),
  caption_dropout_rate: number(0),
  caption_dropout_every_n_epochs: whole(0),
  caption_tag_dropout_rate: number(0),
  token_warmup_min: whole(1),
  token_warmup_step: number(0),
  color_aug: flag,
  flip_aug: flag,
  random_crop: flag,
  face_crop_aug_range: text(none as string | undefined),
  alpha_mask: flag,
  masked_loss: flag,
  conditioning_data_dir: text(none as string | undefined),
  enable_bucket: flag,
  min_bucket_reso: whole(256),
  max_bucket_reso: whole(1024),
  bucket_reso_steps: whole(64),
  bucket_no_upscale: flag,
  resize_interpolation: text(none as string | undefined),
  cache_latents: flag,
  cache_latents_to_disk: flag,
  prior_loss_weight: number(1),
  vae_batch_size: inert(speed),
  skip_cache_check: inert('cached latents are found by the hash of the file they come from', 'flag'),
  cache_info: inert('captions are read anew at every start', 'flag'),
  debug_dataset: inert('`dataset` commands show pictures and captions', 'flag'),
  cache_text_encoder_outputs: flag,
  cache_text_encoder_outputs_to_disk: flag,
  max_data_loader_n_workers: inert(workers),
  persistent_data_loader_workers: inert(workers, 'flag'),

  max_train_steps: whole(1600),
  max_train_epochs: whole(none as number | undefined),
  gradient_accumulation_steps: whole(1),
  seed: whole(none as number | undefined),

  optimizer_type: text(''),
  use_8bit_adam: flag,
  use_lion_optimizer: flag,
  learning_rate: number(2e-6),
  unet_lr: number(none as number | undefined),
  text_encoder_lr: number(none as number | undefined),
  max_grad_norm: number(1),
  optimizer_args: list([] as readonly string[]),
  lr_scheduler: text('constant'),
  lr_warmup_steps: text('0'),
  lr_decay_steps: text('0'),
  lr_scheduler_num_cycles: whole(1),
  lr_scheduler_power: number(1),
  lr_scheduler_timescale: whole(none as number | undefined),
  lr_scheduler_min_lr_ratio: number(none as number | undefined),
  lr_scheduler_args: list([] as readonly string[]),
  lr_scheduler_type: inert('schedules are named by lr_scheduler'),
  fused_backward_pass: inert(speed, 'flag'),

  network_module: text('networks.lora'),
  network_dim: whole(none as number | undefined),
  network_alpha: number(1),
  network_dropout: number(none as number | undefined),
  network_args: list([] as readonly string[]),
  network_weights: text(none as string | undefined),
  dim_from_weights: flag,
  network_train_unet_only: flag,
  network_train_text_encoder_only: flag,
  scale_weight_norms: number(none as number | undefined),
  base_weights: list([] as readonly string[]),
  base_weights_multiplier: list([] as readonly string[]),

  mixed_precision: inert(precision),
  full_fp16: inert(precision, 'flag'),
  full_bf16: inert(precision, 'flag'),
  gradient_checkpointing: flag,
  cpu_offload_checkpointing: inert(speed, 'flag'),
  xformers: inert(attention, 'flag'),
  sdpa: inert(attention, 'flag'),
  mem_eff_attn: inert(attention, 'flag'),
  torch_compile: inert(speed, 'flag'),
  dynamo_backend: inert(speed),
  ddp_timeout: inert(speed),

  noise_offset: number(none as number | undefined),
  noise_offset_random_strength: flag,
  adaptive_noise_scale: number(none as number | undefined),
  multires_noise_iterations: whole(none as number | undefined),
  multires_noise_discount: number(0.3),
  ip_noise_gamma: number(none as number | undefined),
  ip_noise_gamma_random_strength: flag,
  min_timestep: whole(none as number | undefined),
  max_timestep: whole(none as number | undefined),
  loss_type: text('l2'),
  huber_schedule: text('snr'),
  huber_c: number(0.1),
  huber_scale: number(1),
  min_snr_gamma: number(none as number | undefined),
  scale_v_pred_loss_like_noise_pred: flag,
  v_pred_like_loss: number(none as number | undefined),
  debiased_estimation_loss: flag,

  output_dir: text(none as string | undefined),
  output_name: text(none as string | undefined),
  save_model_as: text('safetensors'),
  save_precision: text(none as string | undefined),
  save_every_n_epochs: whole(none as number | undefined),
  save_every_n_steps: whole(none as number | undefined),
  save_n_epoch_ratio: whole(none as number | undefined),
  save_last_n_epochs: whole(none as number | undefined),
  save_last_n_steps: whole(none as number | undefined),
  save_last_n_epochs_state: whole(none as number | undefined),
  save_last_n_steps_state: whole(none as number | undefined),
  save_state: flag,
  save_state_on_train_end: flag,
  resume: text(none as string | undefined),
  initial_epoch: inert('a resumed run goes on where its state was saved'),
  initial_step: inert('a resumed run goes on where its state was saved'),
  skip_until_initial_step: inert('a resumed run always goes on with the data that come next', 'flag'),
  no_metadata: flag,
  training_comment: text(none as string | undefined),
  metadata_title: text(none as string | undefined),
  metadata_author: text(none as string | undefined),
  metadata_description: text(none as string | undefined),
  metadata_license: text(none as string | undefined),
  metadata_tags: text(none as string | undefined),
  huggingface_repo_id: inert(elsewhere),
  huggingface_token: inert(elsewhere),
  save_state_to_huggingface: inert(elsewhere, 'flag'),

  sample_prompts: text(none as string | undefined),
  /** Not kohya's: prompts themselves, one a line, in place of a file. */
  sample_prompt: text(none as string | undefined),
  randomly_choice_prompt: inert('previews are of the prompts that are given', 'flag'),
  sample_every_n_steps: whole(none as number | undefined),
  sample_every_n_epochs: whole(none as number | undefined),
  sample_at_first: flag,
  sample_sampler: text('ddim'),

  logging_dir: text(none as string | undefined),
  log_prefix: text(''),
  log_with: inert(tracker),
  log_tracker_name: inert(tracker),
  log_tracker_config: inert(tracker),
  log_config: inert(tracker, 'flag'),
  wandb_run_name: inert(tracker),
  wandb_api_key: inert(tracker),

  validation_split: number(0),
  validation_seed: whole(none as number | undefined),
  validate_every_n_steps: whole(none as number | undefined),
  validate_every_n_epochs: whole(none as number | undefined),
  max_validation_steps: whole(none as number | undefined),
  /** Not kohya's: validations without a better loss after which a run ends. */
  early_stop_patience: whole(none as number | undefined),
} as const satisfies Readonly<Record<string, Parameter<string, unknown>>>

type Parameters = typeof parameters

export type ParameterName = keyof Parameters

/** The value of every parameter. */
export type Arguments = {
  readonly [Name in ParameterName]: Parameters[Name]['fallback']
}
