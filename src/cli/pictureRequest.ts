import { readFileSync } from 'node:fs'
import { StudioError } from '../errors.ts'
import { readInfotext } from '../image/readInfotext.ts'
import { requestFromInfotext } from '../pipeline/wire/requestFromInfotext.ts'
import type { CliRequest } from './requestFile.ts'

/** The request that repeats a picture file, from the infotext it carries. */
export async function requestOfPicture(path: string): Promise<CliRequest> {
  return requestFromInfotext(await infotextOfPicture(path), { isReplay: true })
}

/** The generation parameters that a picture file carries. */
export async function infotextOfPicture(path: string): Promise<string> {
  const { infotext } = await readInfotext(pictureBytes(path))
  if (infotext === undefined || infotext === '') {
    throw new StudioError('bad-file', `${path}: carries no generation parameters`, { field: path })
  }
  return infotext
}

/** A picture file's bytes. */
export function pictureBytes(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new StudioError('missing-file', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
      field: path,
    })
  }
}
