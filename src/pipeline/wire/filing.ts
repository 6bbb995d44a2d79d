import type { GridRows } from '../../image/grid.ts'
import type { Filing } from '../filing.ts'
import type { Options } from './options.ts'
import type { Endpoint } from './request.ts'

/** How options say that the files of a job are written. */
export function filingOf(options: Options, endpoint: Endpoint): Filing {
  const isImg2Img = endpoint === 'img2img'
  const pictures = isImg2Img ? options.outdir_img2img_samples : options.outdir_txt2img_samples
  const grids = isImg2Img ? options.outdir_img2img_grids : options.outdir_txt2img_grids
  const subfolder =
    options.directories_filename_pattern === '' ? '[prompt_words]' : options.directories_filename_pattern
  const isNumbered = options.save_images_add_number
  return {
    pictures: {
      format: options.samples_format,
      folder: options.outdir_samples === '' ? pictures : options.outdir_samples,
      subfolder: options.save_to_dirs ? subfolder : '',
      name: nameOf(options),
      isNumbered,
    },
    grids: {
      format: options.grid_format,
      folder: options.outdir_grids === '' ? grids : options.outdir_grids,
      subfolder: options.grid_save_to_dirs ? subfolder : '',
      name: options.grid_extended_filename ? nameOf(options) : '',
      isNumbered,
    },
    grid: {
      isSaved: options.grid_save,
      needsSeveral: options.grid_only_if_multiple,
      rows: rowsOf(options),
      background: options.grid_background_color,
    },
    startFolder: options.save_init_img ? options.outdir_init_images : undefined,
    quality: options.jpeg_quality,
    webpLossless: options.webp_lossless,
    carriesInfotext: options.enable_pnginfo,
    hasTextFile: options.save_txt,
    sharing: options.export_for_4chan
      ? { side: options.target_side_length, bytes: options.img_downscale_threshold * 2 ** 20 }
      : undefined,
    promptWords: options.directories_max_prompt_words,
  }
}

/** A1111's pattern where none is set: pictures of one day need no prompt to be told apart. */
function nameOf({ samples_filename_pattern: pattern, save_to_dirs }: Options): string {
  if (pattern !== '') return pattern
  return save_to_dirs ? '[seed]' : '[seed]-[prompt_spaces]'
}

function rowsOf({ n_rows, grid_prevent_empty_spots }: Options): GridRows {
  if (n_rows > 0) return n_rows
  if (n_rows === 0) return 'batch'
  return grid_prevent_empty_spots ? 'square-without-gaps' : 'square'
}
