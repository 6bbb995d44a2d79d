import { requestOfPicture as requestOfBytes } from '../pipeline/verify.ts'
import { readBytes } from './readBytes.ts'
import type { CliRequest } from './requestFile.ts'

/** The request that repeats a picture file, from the infotext it carries. */
export async function requestOfPicture(path: string): Promise<CliRequest> {
  return requestOfBytes(readBytes(path), path)
}
