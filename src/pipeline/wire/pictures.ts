import { StudioError } from '../../errors.ts'
import { decodePicture } from '../../image/decode.ts'
import type { Picture } from '../../image/picture.ts'

/** A picture that came as base64, with or without `data:image/png;base64,` before it. */
export async function pictureFromWire(text: string, field: string): Promise<Picture> {
  const bytes = bytesFromWire(text, field)
  try {
    return await decodePicture(bytes)
  } catch (cause) {
    if (!(cause instanceof StudioError)) throw cause
    throw new StudioError(cause.code, `${field}: ${cause.message}`, { cause, field })
  }
}

/** The file of a picture that came as base64. */
export function bytesFromWire(text: string, field: string): Uint8Array {
  if (/^https?:\/\//i.test(text)) {
    throw new StudioError('unsupported', `${field}: expected a picture file in base64, found an address`, { field })
  }
  const base64 = text.replace(/^data:[^,]*,/, '')
  if (base64 === '' || !/^[A-Za-z0-9+/_\s-]*={0,2}\s*$/.test(base64)) {
    throw new StudioError('bad-request', `${field}: expected a picture file in base64, found other text`, { field })
  }
  return Buffer.from(base64, 'base64')
}
