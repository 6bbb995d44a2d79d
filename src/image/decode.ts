import { open, readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { StudioError } from '../errors.ts'
import { divideBy255, toRgb } from './channels.ts'
import { type Picture, picture, type Rgb8, type Rgba8 } from './picture.ts'
import { isPng } from './pngText.ts'

/** What a picture from outside may cost. */
export interface DecodeLimits {
  /** Width times height, known from the header before anything is inflated. */
  readonly maxPixels: number
  readonly maxBytes: number
}

/** A picture of 10,000 × 10,000 and its 300 MB are more than any recipe wants. */
const decodeLimits: DecodeLimits = { maxPixels: 100_000_000, maxBytes: 256 << 20 }

/** Hostile files can be slow as well as large. */
const longestDecodeSeconds = 60

/** Formats that are read. Anything else, markup above all, never reaches the decoder library. */
export type PictureFormat = 'png' | 'jpeg' | 'webp' | 'avif' | 'gif' | 'tiff'

const ascii = (bytes: Uint8Array, from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1')

/** The format that the first bytes announce. */
export function pictureFormat(bytes: Uint8Array): PictureFormat | undefined {
  if (isPng(bytes)) return 'png'
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return 'jpeg'
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'webp'
  if (ascii(bytes, 4, 8) === 'ftyp' && ['avif', 'avis', 'mif1'].includes(ascii(bytes, 8, 12))) return 'avif'
  if (/^GIF8[79]a$/.test(ascii(bytes, 0, 6))) return 'gif'
  if (['II*\0', 'MM\0*'].includes(ascii(bytes, 0, 4))) return 'tiff'
  return undefined
}

/**
 * The picture in a file or in bytes: first frame, upright by its EXIF orientation, 8 bits sRGB, with alpha where any
 * pixel is transparent. Colour profiles are not applied, as the reference does not.
 */
export async function decodePicture(
  source: Uint8Array | string,
  limits: DecodeLimits = decodeLimits,
): Promise<Rgb8 | Rgba8> {
  const where = typeof source === 'string' ? source : 'picture'
  const bytes = typeof source === 'string' ? await readPictureFile(source, limits.maxBytes) : source
  if (bytes.length > limits.maxBytes) {
    throw new StudioError('too-large', `${where}: ${bytes.length} bytes, expected at most ${limits.maxBytes}`)
  }
  if (pictureFormat(bytes) === undefined) {
    throw new StudioError('bad-file', `${where}: expected a PNG, JPEG, WebP, AVIF, GIF or TIFF picture`)
  }
  const { width, height, space } = await readHeader(bytes, where)
  if (width * height > limits.maxPixels) {
    throw new StudioError('too-large', `${where}: ${width}x${height}, expected at most ${limits.maxPixels} pixels`)
  }
  const isInk = space === 'cmyk'
  const pipeline = sharp(bytes, { failOn: 'truncated', limitInputPixels: limits.maxPixels, pages: 1, ignoreIcc: true })
    .autoOrient()
    .timeout({ seconds: longestDecodeSeconds })
  const colored = isInk
    ? pipeline.pipelineColourspace('cmyk').toColourspace('cmyk')
    : pipeline.toColourspace('srgb').ensureAlpha()
  const decoded = colored.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  const { data, info } = await refuseUnreadable(where, decoded)
  if (info.channels !== 4) throw new Error(`internal: decoded to ${info.channels} channels`)
  const four = picture(4, info.width, info.height, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  if (isInk) return inkToLight(four)
  return isOpaque(four) ? toRgb(four) : four
}

/** A small WebP of a picture, at most `side` wide and high, its text left out. */
export async function thumbnail(bytes: Uint8Array, side: number): Promise<Uint8Array> {
  if (pictureFormat(bytes) === undefined) throw new StudioError('bad-file', 'picture: expected a picture')
  const small = sharp(bytes, { limitInputPixels: decodeLimits.maxPixels, pages: 1 })
    .autoOrient()
    .timeout({ seconds: longestDecodeSeconds })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 80 })
    .toBuffer()
  return refuseUnreadable('picture', small)
}

/** Width and height of the picture in a file, upright by its EXIF orientation, from the header alone. */
export async function pictureSize(path: string): Promise<{ readonly width: number; readonly height: number }> {
  const bytes = await readPictureFile(path, decodeLimits.maxBytes)
  if (pictureFormat(bytes) === undefined) {
    throw new StudioError('bad-file', `${path}: expected a PNG, JPEG, WebP, AVIF, GIF or TIFF picture`, { field: path })
  }
  const { width, height, isTurned } = await readHeader(bytes, path)
  return isTurned ? { width: height, height: width } : { width, height }
}

/** Cyan, magenta, yellow and black as light, each ink taken for a perfect filter: (1 − C)(1 − K). */
function inkToLight({ width, height, data }: Picture<4>): Rgb8 {
  const result = picture(3, width, height)
  for (let i = 0; i < width * height; i++) {
    const paper = 255 - data[i * 4 + 3]!
    for (let c = 0; c < 3; c++) result.data[i * 3 + c] = paper - divideBy255(data[i * 4 + c]! * paper)
  }
  return result
}

function isOpaque({ data }: Rgba8): boolean {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false
  return true
}

async function readPictureFile(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      if (size > maxBytes) throw new StudioError('too-large', `${path}: ${size} bytes, expected at most ${maxBytes}`)
      return await readFile(file)
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof StudioError) throw cause
    throw new StudioError('missing-file', `${path}: ${(cause as Error).message}`, { cause, field: path })
  }
}

async function readHeader(bytes: Uint8Array, where: string) {
  const {
    width,
    height,
    space,
    orientation = 1,
  } = await refuseUnreadable(where, sharp(bytes, { limitInputPixels: false, pages: 1 }).metadata())
  if (!width || !height) throw new StudioError('bad-file', `${where}: a picture without a size`)
  // Orientations from 5 on lie on their side.
  return { width, height, space, isTurned: orientation >= 5 }
}

/** What the decoder library says of a file, as our kind of error. */
async function refuseUnreadable<T>(where: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]
    throw new StudioError('bad-file', `${where}: ${reason}`, { cause })
  }
}
