import { readFileSync } from 'node:fs'
import { StudioError } from '../errors.ts'

/** A file the user named, whole. */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new StudioError('missing-file', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
      field: path,
    })
  }
}
