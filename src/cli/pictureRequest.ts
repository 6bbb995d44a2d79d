import { StudioError } from '../errors.ts'
import { readInfotext } from '../image/readInfotext.ts'
import { requestFromInfotext } from '../pipeline/wire/requestFromInfotext.ts'
import { readBytes } from './readBytes.ts'
import type { CliRequest } from './requestFile.ts'

/** The request that repeats a picture file, from the infotext it carries. */
export async function requestOfPicture(path: string): Promise<CliRequest> {
  return requestFromInfotext(await infotextOfPicture(path), { isReplay: true })
}

/** The generation parameters that a picture file carries. */
async function infotextOfPicture(path: string): Promise<string> {
  const { infotext } = await readInfotext(readBytes(path))
  if (infotext === undefined || infotext === '') {
    throw new StudioError('bad-file', `${path}: carries no generation parameters`, { field: path })
  }
  return infotext
}
