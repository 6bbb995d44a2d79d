import sharp from 'sharp'
import { StudioError } from '../errors.ts'
import { pictureFormat } from './decode.ts'
import { gifComment } from './gifComment.ts'
import { novelAiInfotext } from './novelAi.ts'
import { pngExif, pngText } from './pngText.ts'
import { userComment } from './userComment.ts'

/** What a picture file says about how it was made. */
export interface PictureText {
  readonly infotext: string | undefined
  /** Its other text chunks. */
  readonly items: ReadonlyMap<string, string>
}

/** Entries that describe the file rather than the picture. */
const ignoredItems =
  'jfif jfif_version jfif_unit jfif_density dpi exif loop background timestamp duration progressive progression ' +
  'icc_profile chromaticity photoshop'

/**
 * Reads the infotext of picture bytes: EXIF UserComment, PNG `parameters`, or a GIF comment; pictures of NovelAI are
 * described in the same words. `samplerName` finds a sampler by another system's name for it.
 */
export async function readInfotext(
  bytes: Uint8Array,
  samplerName: (alias: string) => string | undefined = () => undefined,
): Promise<PictureText> {
  const format = pictureFormat(bytes)
  if (format === undefined) {
    throw new StudioError('bad-file', 'picture: expected a PNG, JPEG, WebP, AVIF, GIF or TIFF picture')
  }
  const items = new Map(format === 'png' ? pngText(bytes) : [])
  const parameters = items.get('parameters')
  items.delete('parameters')
  for (const key of ignoredItems.split(' ')) items.delete(key)

  const exif = format === 'png' ? pngExif(bytes) : await exifOf(bytes)
  const fromExif = exif && userComment(exif)
  const fromComment = format === 'gif' ? gifComment(bytes) : undefined
  const fromNovelAi =
    items.get('Software') === 'NovelAI' ? novelAiInfotext(items, pngSize(bytes), samplerName) : undefined
  return { infotext: [fromNovelAi, fromExif, fromComment, parameters].find((text) => text), items }
}

async function exifOf(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return (await sharp(bytes, { limitInputPixels: false, pages: 1 }).metadata()).exif
  } catch (cause) {
    throw new StudioError('bad-file', `picture: ${(cause as Error).message.split('\n')[0]}`, { cause })
  }
}

/** Width and height from a PNG's header. */
function pngSize(png: Uint8Array): readonly [number, number] {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength)
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
}
