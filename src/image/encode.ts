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

/** GIF of one frame, the infotext as its comment. */
export async function encodeGif(source: Picture, infotext?: string): Promise<Uint8Array> {
  const gif = await pipelineOf(toRgb(source)).gif().toBuffer()
  return infotext ? withGifComment(gif, infotext) : gif
}

/** How a finished picture is to be written. */
export interface EncodeOptions extends LossyOptions {
  /** The wanted extension: png, jpg, jpeg, webp, avif or gif. */
  readonly format: string
  readonly webpLossless?: boolean
  /** Other PNG text to keep; formats without text chunks lose it. */
  readonly text?: Iterable<TextEntry>
}

interface Format {
  /** The longest side it can describe, and the longest infotext. */
  readonly longestSide: number
  readonly longestText: number
  readonly encode: (source: Picture, options: EncodeOptions) => Promise<Uint8Array>
}

/** An EXIF block is at most 65,533 bytes, at two bytes a letter; the directories around the text take under 200. */
const longestUserComment = 32_650

// The format itself would allow 65,535.
const jpeg: Format = { longestSide: 65_500, longestText: longestUserComment, encode: encodeJpeg }

const formats: Readonly<Record<string, Format>> = {
  png: {
    longestSide: Number.POSITIVE_INFINITY,
    longestText: Number.POSITIVE_INFINITY,
    encode: (source, { infotext, text = [] }) =>
      encodePng(source, { text: infotext ? [['parameters', infotext], ...text] : text }),
  },
  jpg: jpeg,
  jpeg,
  webp: {
    longestSide: 16_383,
    longestText: longestUserComment,
    encode: (source, { quality, webpLossless: lossless = false, infotext }) =>
      withUserComment(pipelineOf(toRgb(source)).webp({ quality, lossless }), infotext),
  },
  avif: {
    longestSide: 16_384,
    longestText: longestUserComment,
    encode: (source, { quality, infotext }) => withUserComment(pipelineOf(toRgb(source)).avif({ quality }), infotext),
  },
  gif: {
    longestSide: 65_535,
    longestText: Number.POSITIVE_INFINITY,
    encode: (source, { infotext }) => encodeGif(source, infotext),
  },
}

/**
 * A picture in the wanted format with its infotext and without transparency (but for PNG), or as PNG where the format
 * cannot hold its size or its text. `extension` says which it became.
 */
export async function encodePicture(
  source: Picture,
  options: EncodeOptions,
): Promise<{ bytes: Uint8Array; extension: string }> {
  const wanted = options.format.toLowerCase()
  const format = Object.hasOwn(formats, wanted) ? formats[wanted]! : undefined
  if (format === undefined) {
    throw new StudioError(
      'bad-request',
      `picture format "${options.format}": expected ${Object.keys(formats).join(', ')}`,
    )
  }
  const isTooLarge = Math.max(source.width, source.height) > format.longestSide
  const isTooWordy = (options.infotext ?? '').length > format.longestText
  const extension = isTooLarge || isTooWordy ? 'png' : wanted
  return { bytes: await formats[extension]!.encode(source, options), extension }
}
