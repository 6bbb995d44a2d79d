import sharp, { type Sharp } from 'sharp'
import { StudioError } from '../errors.ts'
import { toRgb } from './channels.ts'
import { withGifComment } from './gifComment.ts'
import type { Picture } from './picture.ts'
import { type TextEntry, withPngText } from './pngText.ts'
import { fillPlaceholder, placeholder } from './userComment.ts'

/** A lossy encoding: quality 1 to 100 and the infotext to carry along. */
export interface LossyOptions {
  readonly quality: number
  readonly infotext?: string | undefined
}

function pipelineOf({ channels, width, height, data }: Picture): Sharp {
  return sharp(data, { raw: { width, height, channels }, limitInputPixels: false })
}

/** PNG with text chunks: `parameters` for the infotext, and whatever else is to be kept. */
export async function encodePng(
  source: Picture,
  { text = [] }: { text?: Iterable<TextEntry> } = {},
): Promise<Uint8Array> {
  const pipeline = source.channels === 1 ? pipelineOf(source).toColourspace('b-w') : pipelineOf(source)
  const png = await pipeline.png({ compressionLevel: 6, adaptiveFiltering: true }).toBuffer()
  return withPngText(png, text)
}

/** The file of a pipeline that ends in a format with EXIF, the infotext in its UserComment. */
async function withUserComment(pipeline: Sharp, infotext: string | undefined): Promise<Uint8Array> {
  if (!infotext) return pipeline.toBuffer()
  const file = await pipeline.withExif({ IFD2: { UserComment: placeholder(infotext) } }).toBuffer()
  return fillPlaceholder(file, infotext)
}

/** JPEG without transparency. */
export function encodeJpeg(source: Picture, { quality, infotext }: LossyOptions): Promise<Uint8Array> {
  return withUserComment(pipelineOf(toRgb(source)).jpeg({ quality }), infotext)
}

/** WebP without transparency. */
export function encodeWebp(
  source: Picture,
  { quality, infotext, lossless = false }: LossyOptions & { readonly lossless?: boolean },
): Promise<Uint8Array> {
  return withUserComment(pipelineOf(toRgb(source)).webp({ quality, lossless }), infotext)
}

/** AVIF without transparency. */
export function encodeAvif(source: Picture, { quality, infotext }: LossyOptions): Promise<Uint8Array> {
  return withUserComment(pipelineOf(toRgb(source)).avif({ quality }), infotext)
}

/** GIF of one frame, the infotext as its comment. */
export async function encodeGif(source: Picture, infotext?: string): Promise<Uint8Array> {
  const gif = await pipelineOf(toRgb(source)).gif().toBuffer()
  return infotext ? withGifComment(gif, infotext) : gif
}

/** The longest side each format can describe. PNG has no limit worth the name. */
const longestSide: Readonly<Record<string, number>> = { jpg: 65_535, webp: 16_383, avif: 65_535, gif: 65_535 }

/** An EXIF block is at most 65,533 bytes, at two bytes a letter; the directories around the text take under 200. */
const longestUserComment = 32_650

/** How a finished picture is to be written. */
export interface EncodeOptions {
  /** The wanted extension: png, jpg, jpeg, webp, avif or gif. */
  readonly format: string
  readonly quality: number
  readonly webpLossless?: boolean
  readonly infotext?: string
  /** Other PNG text to keep; formats without text chunks lose it. */
  readonly text?: Iterable<TextEntry>
}

/**
 * A picture in the wanted format with its infotext, or as PNG where the format cannot hold its size or its text.
 * `extension` says which it became.
 */
export async function encodePicture(
  source: Picture,
  { format, quality, webpLossless = false, infotext, text = [] }: EncodeOptions,
): Promise<{ bytes: Uint8Array; extension: string }> {
  const wanted = format.toLowerCase()
  const family = wanted === 'jpeg' ? 'jpg' : wanted
  const side = longestSide[family]
  if (side === undefined && family !== 'png') {
    throw new StudioError('bad-request', `picture format "${format}": expected png, jpg, webp, avif or gif`)
  }
  const isTooLarge = side !== undefined && Math.max(source.width, source.height) > side
  const isTooWordy = family !== 'gif' && infotext !== undefined && infotext.length > longestUserComment
  if (family === 'png' || isTooLarge || isTooWordy) {
    const parameters: TextEntry[] = infotext ? [['parameters', infotext]] : []
    return { bytes: await encodePng(source, { text: [...parameters, ...text] }), extension: 'png' }
  }
  const lossy = { quality, infotext }
  const encoders: Readonly<Record<string, () => Promise<Uint8Array>>> = {
    jpg: () => encodeJpeg(source, lossy),
    webp: () => encodeWebp(source, { ...lossy, lossless: webpLossless }),
    avif: () => encodeAvif(source, lossy),
    gif: () => encodeGif(source, infotext),
  }
  return { bytes: await encoders[family]!(), extension: wanted }
}
