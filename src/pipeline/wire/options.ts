import { z } from 'zod'
import { StudioError } from '../../errors.ts'
import { boolean, integer, number, oneOf, parseFields, text, withDefault } from './fields.ts'
import { inertDefaults } from './inertOptions.ts'

/**
 * The options of A1111's config.json that this program acts on, with A1111's names and defaults. The same keys come
 * in a request's `override_settings`.
 */
export const optionsSchema = z.object({
  // Models
  sd_model_checkpoint: withDefault(text().nullable(), null),
  sd_vae: withDefault(text(), 'Automatic'),
  sd_vae_overrides_per_model_preferences: withDefault(boolean, true),
  sd_vae_encode_method: withDefault(oneOf('Full', 'TAESD'), 'Full'),
  sd_vae_decode_method: withDefault(oneOf('Full', 'TAESD', 'Approx NN', 'Approx cheap'), 'Full'),
  sd_lora: withDefault(text(), 'None'),
  extra_networks_default_multiplier: withDefault(number(-100, 100), 1),
  hypertile_enable_unet: withDefault(boolean, false),
  hypertile_enable_vae: withDefault(boolean, false),
  token_merging_ratio: withDefault(number(0, 0.9), 0),
  token_merging_ratio_img2img: withDefault(number(0, 0.9), 0),
  token_merging_ratio_hr: withDefault(number(0, 0.9), 0),

  // Prompts
  emphasis: withDefault(oneOf('None', 'Ignore', 'Original', 'No norm'), 'Original'),
  comma_padding_backtrack: withDefault(integer(0, 74), 20),
  CLIP_stop_at_last_layers: withDefault(integer(1, 12), 1),
  use_old_emphasis_implementation: withDefault(boolean, false),
  use_old_scheduling: withDefault(boolean, false),
  enable_prompt_comments: withDefault(boolean, true),
  pad_cond_uncond: withDefault(boolean, false),
  pad_cond_uncond_v0: withDefault(boolean, false),
  batch_cond_uncond: withDefault(boolean, true),

  // Noise and sampling
  randn_source: withDefault(oneOf('GPU', 'CPU', 'NV'), 'GPU'),
  eta_noise_seed_delta: withDefault(integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), 0),
  no_dpmpp_sde_batch_determinism: withDefault(boolean, false),
  eta_ddim: withDefault(number(0, 1), 0),
  eta_ancestral: withDefault(number(0, 1), 1),
  ddim_discretize: withDefault(oneOf('uniform', 'quad'), 'uniform'),
  s_churn: withDefault(number(0, 100), 0),
  s_tmin: withDefault(number(0, 10), 0),
  s_tmax: withDefault(number(0, 999), 0),
  s_noise: withDefault(number(0, 1.1), 1),
  s_min_uncond: withDefault(number(0, 15), 0),
  s_min_uncond_all: withDefault(boolean, false),
  skip_early_cond: withDefault(number(0, 1), 0),
  sigma_min: withDefault(number(0, 1000), 0),
  sigma_max: withDefault(number(0, 1000), 0),
  rho: withDefault(number(0, 1000), 0),
  beta_dist_alpha: withDefault(number(0.01, 5), 0.6),
  beta_dist_beta: withDefault(number(0.01, 5), 0.6),
  always_discard_next_to_last_sigma: withDefault(boolean, false),
  use_old_karras_scheduler_sigmas: withDefault(boolean, false),
  sgm_noise_multiplier: withDefault(boolean, false),
  enable_quantization: withDefault(boolean, false),
  sd_noise_schedule: withDefault(oneOf('Default', 'Zero Terminal SNR'), 'Default'),
  use_downcasted_alpha_bar: withDefault(boolean, false),
  uni_pc_variant: withDefault(oneOf('bh1', 'bh2', 'vary_coeff'), 'bh1'),
  uni_pc_skip_type: withDefault(oneOf('time_uniform', 'time_quadratic', 'logSNR'), 'time_uniform'),
  uni_pc_order: withDefault(integer(1, 50), 3),
  uni_pc_lower_order_final: withDefault(boolean, true),
  refiner_switch_by_sample_steps: withDefault(boolean, false),
  hires_fix_refiner_pass: withDefault(oneOf('first pass', 'second pass', 'both passes'), 'second pass'),

  // Pictures
  tiling: withDefault(boolean, false),
  face_restoration: withDefault(boolean, false),
  use_old_hires_fix_width_height: withDefault(boolean, false),
  hires_fix_use_firstpass_conds: withDefault(boolean, false),
  inpainting_mask_weight: withDefault(number(0, 1), 1),
  initial_noise_multiplier: withDefault(number(0, 10), 1),
  img2img_extra_noise: withDefault(number(0, 1), 0),
  img2img_color_correction: withDefault(boolean, false),
  img2img_fix_steps: withDefault(boolean, false),
  img2img_background_color: withDefault(text(20), '#ffffff'),
  overlay_inpaint: withDefault(boolean, true),
  return_mask: withDefault(boolean, false),
  return_mask_composite: withDefault(boolean, false),
  upscaler_for_img2img: withDefault(text().nullable(), null),
  ESRGAN_tile: withDefault(integer(0, 4096), 192),
  ESRGAN_tile_overlap: withDefault(integer(0, 1024), 8),

  // Infotext
  add_model_name_to_info: withDefault(boolean, true),
  add_model_hash_to_info: withDefault(boolean, true),
  add_vae_name_to_info: withDefault(boolean, true),
  add_vae_hash_to_info: withDefault(boolean, true),
  add_version_to_infotext: withDefault(boolean, true),
  textual_inversion_add_hashes_to_infotext: withDefault(boolean, true),
  lora_add_hashes_to_infotext: withDefault(boolean, true),
  lora_bundled_ti_to_infotext: withDefault(boolean, true),
  auto_backcompat: withDefault(boolean, true),
  save_init_img: withDefault(boolean, false),

  // Training of embeddings
  dataset_filename_word_regex: withDefault(text(1000), ''),
  dataset_filename_join_string: withDefault(text(100), ' '),
  training_write_csv_every: withDefault(integer(0, 1e9), 500),

  // Words for pictures
  interrogate_return_ranks: withDefault(boolean, false),
  interrogate_clip_num_beams: withDefault(integer(1, 16), 1),
  interrogate_clip_min_length: withDefault(integer(1, 128), 24),
  interrogate_clip_max_length: withDefault(integer(1, 256), 48),
  interrogate_clip_dict_limit: withDefault(integer(0, 1e6), 1500),
  interrogate_clip_skip_categories: withDefault(z.array(text(200)).max(1000), []),
  interrogate_deepbooru_score_threshold: withDefault(number(0, 1), 0.5),
  deepbooru_sort_alpha: withDefault(boolean, true),
  deepbooru_use_spaces: withDefault(boolean, true),
  deepbooru_escape: withDefault(boolean, true),
  deepbooru_filter_tags: withDefault(text(), ''),

  // The server. The reference fetches pictures from addresses unless told otherwise; here it is the other way round.
  api_enable_requests: withDefault(boolean, false),
  api_forbid_local_requests: withDefault(boolean, true),
  api_useragent: withDefault(text(1000), ''),

  // Files
  save_images_before_highres_fix: withDefault(boolean, false),
  save_mask: withDefault(boolean, false),
  save_mask_composite: withDefault(boolean, false),
  return_grid: withDefault(boolean, true),
  samples_save: withDefault(boolean, true),
  save_incomplete_images: withDefault(boolean, false),
  img_max_size_mp: withDefault(number(1, 100_000), 200),
  grid_text_active_color: withDefault(text(20), '#000000'),
  grid_text_inactive_color: withDefault(text(20), '#999999'),
  samples_format: withDefault(text(10), 'png'),
  grid_format: withDefault(text(10), 'png'),
  jpeg_quality: withDefault(integer(1, 100), 80),
  webp_lossless: withDefault(boolean, false),
  enable_pnginfo: withDefault(boolean, true),
  save_txt: withDefault(boolean, false),
  export_for_4chan: withDefault(boolean, true),
  img_downscale_threshold: withDefault(number(0, 1e6), 4),
  target_side_length: withDefault(integer(1, 1e6), 4000),
  samples_filename_pattern: withDefault(text(1000), ''),
  save_images_add_number: withDefault(boolean, true),
  save_to_dirs: withDefault(boolean, true),
  grid_save: withDefault(boolean, true),
  grid_save_to_dirs: withDefault(boolean, true),
  grid_extended_filename: withDefault(boolean, false),
  directories_filename_pattern: withDefault(text(1000), '[date]'),
  directories_max_prompt_words: withDefault(integer(1, 1000), 8),
  grid_only_if_multiple: withDefault(boolean, true),
  grid_prevent_empty_spots: withDefault(boolean, false),
  grid_background_color: withDefault(text(20), '#ffffff'),
  n_rows: withDefault(integer(-1, 1000), -1),
  outdir_samples: withDefault(text(), ''),
  outdir_txt2img_samples: withDefault(text(), 'outputs/txt2img-images'),
  outdir_img2img_samples: withDefault(text(), 'outputs/img2img-images'),
  outdir_grids: withDefault(text(), ''),
  outdir_txt2img_grids: withDefault(text(), 'outputs/txt2img-grids'),
  outdir_img2img_grids: withDefault(text(), 'outputs/img2img-grids'),
  outdir_init_images: withDefault(text(), 'outputs/init-images'),
})

export type Options = z.output<typeof optionsSchema>

/** Every option as it is where nobody has changed it. */
export const optionDefaults: Options = optionsSchema.parse({})

/** Options of a config.json: unknown keys are kept by whoever owns the file and do not matter here. */
export function parseOptions(config: Readonly<Record<string, unknown>>): Options {
  return parseFields(optionsSchema, config, 'config.json')
}

/** Whether A1111 has an option of this name. */
export function isOption(key: string): boolean {
  return Object.hasOwn(optionsSchema.shape, key) || Object.hasOwn(inertDefaults, key)
}

/** Every option of A1111 as it is where nobody has changed it, those included that are without effect here. */
export const allDefaults: Readonly<Record<string, unknown>> = { ...inertDefaults, ...optionDefaults }

/** Options with a request's `override_settings` over them; a key that nobody knows is an error. */
export function overrideOptions(options: Options, overrides: Readonly<Record<string, unknown>>): Options {
  const keys = Object.keys(overrides)
  if (keys.length === 0) return options
  for (const key of keys) {
    if (!isOption(key)) {
      throw new StudioError('unknown-name', `override_settings.${key}: there is no option of this name`, {
        field: `override_settings.${key}`,
      })
    }
  }
  return parseFields(optionsSchema, { ...options, ...overrides }, 'override_settings')
}
