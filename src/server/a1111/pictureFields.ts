import type { Endpoint } from '../../pipeline/wire/request.ts'
import { bool, dict, type Field, float, int, list, optional, str } from './fieldTypes.ts'

const beginning: readonly Field[] = [
  optional('prompt', str, ''),
  optional('negative_prompt', str, ''),
  optional('styles', list(str)),
  optional('seed', int, -1),
  optional('subseed', int, -1),
  optional('subseed_strength', float, 0),
  optional('seed_resize_from_h', int, -1),
  optional('seed_resize_from_w', int, -1),
  optional('sampler_name', str),
  optional('scheduler', str),
  optional('batch_size', int, 1),
  optional('n_iter', int, 1),
  optional('steps', int, 50),
  optional('cfg_scale', float, 7),
  optional('width', int, 512),
  optional('height', int, 512),
  optional('restore_faces', bool),
  optional('tiling', bool),
  optional('do_not_save_samples', bool, false),
  optional('do_not_save_grid', bool, false),
  optional('eta', float),
]

const middle: readonly Field[] = [
  optional('s_min_uncond', float),
  optional('s_churn', float),
  optional('s_tmax', float),
  optional('s_tmin', float),
  optional('s_noise', float),
  optional('override_settings', dict),
  optional('override_settings_restore_afterwards', bool, true),
  optional('refiner_checkpoint', str),
  optional('refiner_switch_at', float),
  optional('disable_extra_networks', bool, false),
  optional('firstpass_image', str),
  optional('comments', dict),
]

const hires: readonly Field[] = [
  optional('enable_hr', bool, false),
  optional('firstphase_width', int, 0),
  optional('firstphase_height', int, 0),
  optional('hr_scale', float, 2),
  optional('hr_upscaler', str),
  optional('hr_second_pass_steps', int, 0),
  optional('hr_resize_x', int, 0),
  optional('hr_resize_y', int, 0),
  optional('hr_checkpoint_name', str),
  optional('hr_sampler_name', str),
  optional('hr_scheduler', str),
  optional('hr_prompt', str, ''),
  optional('hr_negative_prompt', str, ''),
]

const masked: readonly Field[] = [
  optional('init_images', list(str)),
  optional('resize_mode', int, 0),
  optional('image_cfg_scale', float),
  optional('mask', str),
  optional('mask_blur_x', int, 4),
  optional('mask_blur_y', int, 4),
  optional('mask_blur', int),
  optional('mask_round', bool, true),
  optional('inpainting_fill', int, 0),
  optional('inpaint_full_res', bool, true),
  optional('inpaint_full_res_padding', int, 0),
  optional('inpainting_mask_invert', int, 0),
  optional('initial_noise_multiplier', float),
  optional('latent_mask', str),
]

const end: readonly Field[] = [
  optional('script_name', str),
  optional('script_args', list(), []),
  optional('send_images', bool, true),
  optional('save_images', bool, false),
  optional('alwayson_scripts', dict, {}),
  optional('infotext', str),
]

/** Fields of the two requests that make pictures, in the order in which replies repeat them. */
export const pictureFields: Readonly<Record<Endpoint, readonly Field[]>> = {
  txt2img: [
    ...beginning,
    optional('denoising_strength', float),
    ...middle,
    ...hires,
    optional('force_task_id', str),
    optional('sampler_index', str, 'Euler'),
    ...end,
  ],
  img2img: [
    ...beginning,
    optional('denoising_strength', float, 0.75),
    ...middle,
    ...masked,
    optional('force_task_id', str),
    optional('sampler_index', str, 'Euler'),
    optional('include_init_images', bool, false),
    ...end,
  ],
}
