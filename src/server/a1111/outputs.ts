import { decodePicture } from '../../image/decode.ts'
import { encodePicture, encodePng } from '../../image/encode.ts'
import { gridRows, pictureGrid } from '../../image/grid.ts'
import type { Rgb8 } from '../../image/picture.ts'
import { readInfotext } from '../../image/readInfotext.ts'
import type { Recipe } from '../../pipeline/recipe.ts'
import type { GenerationInfo } from '../../pipeline/wire/info.ts'
import type { Options } from '../../pipeline/wire/options.ts'

/** How pictures are sent. */
export type OutputFormat = Pick<Options, 'samples_format' | 'jpeg_quality' | 'webp_lossless' | 'enable_pnginfo'>

/** A job's PNG file as base64, in the format that the options want and with its infotext where they want that. */
export async function encodeFile(png: Uint8Array, format: OutputFormat): Promise<string> {
  const { samples_format, jpeg_quality: quality, webp_lossless: webpLossless, enable_pnginfo: isTold } = format
  const wanted = samples_format.toLowerCase()
  if (wanted === 'png' && isTold) return base64(png)
  const { infotext } = await readInfotext(png)
  const picture = await decodePicture(png)
  const { bytes } = await encodePicture(picture, {
    format: wanted,
    quality,
    webpLossless,
    ...(isTold && infotext !== undefined && { infotext }),
  })
  return base64(bytes)
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/**
 * The grid that goes before several pictures that are saved, and the job's info with it; `keep` saves it where the
 * recipe says so.
 */
export async function sampleGrid(
  files: readonly Uint8Array[],
  info: GenerationInfo,
  { batchSize, filing: { grid } }: Recipe,
  isReturned: boolean,
  keep: (grid: Rgb8, infotext: string) => Promise<unknown>,
): Promise<{ readonly png: Uint8Array; readonly info: GenerationInfo } | undefined> {
  if (!(isReturned || grid.isSaved) || files.length < (grid.needsSeveral ? 2 : 1)) return undefined
  const pictures = await Promise.all(files.map((file) => decodePicture(file)))
  const [infotext = ''] = info.infotexts
  const picture = pictureGrid(pictures, gridRows(pictures.length, grid.rows, batchSize), grid.background)
  if (grid.isSaved) await keep(picture, infotext)
  if (!isReturned) return undefined
  const png = await encodePng(picture, { text: [['parameters', infotext]] })
  return { png, info: { ...info, index_of_first_image: 1, infotexts: [infotext, ...info.infotexts] } }
}
