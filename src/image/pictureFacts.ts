import sharp from 'sharp'
import { StudioError } from '../errors.ts'
import { pictureFormat } from './decode.ts'

/** What a picture's file says before its pixels are read. */
export interface PictureFacts {
  readonly format: string
  /** Upright, as the picture is decoded. */
  readonly width: number
  readonly height: number
  /** EXIF's orientation, 1 to 8; 1 is upright. */
  readonly orientation: number
  /** The colour space of the file: `srgb`, `cmyk`, `b-w` and others. */
  readonly space: string
  /** Bits of a channel. */
  readonly bits: 8 | 16 | 32
  readonly frames: number
  readonly hasAlpha: boolean
}

/** Reads the header of a picture in bytes; `where` names it in errors. */
export async function pictureFacts(bytes: Uint8Array, where: string): Promise<PictureFacts> {
  const format = pictureFormat(bytes)
  if (format === undefined) {
    throw new StudioError('bad-file', `${where}: expected a PNG, JPEG, WebP, AVIF, GIF or TIFF picture`, {
      field: where,
    })
  }
  try {
    const header = await sharp(bytes, { limitInputPixels: false }).metadata()
    const { width, height, orientation = 1, space, depth, pages = 1, hasAlpha } = header
    if (!width || !height) throw new Error('a picture without a size')
    // Frames of an animation are stacked in the header's height; orientations from 5 on lie on their side.
    const frameHeight = header.pageHeight ?? height
    const [w, h] = orientation >= 5 ? [frameHeight, width] : [width, frameHeight]
    const bits = depth === 'uchar' || depth === 'char' ? 8 : depth === 'ushort' || depth === 'short' ? 16 : 32
    return { format, width: w, height: h, orientation, space, bits, frames: pages, hasAlpha }
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]
    throw new StudioError('bad-file', `${where}: ${reason}`, { cause, field: where })
  }
}
