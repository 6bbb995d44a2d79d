import { basename } from 'node:path'
import { StudioError } from '../errors.ts'

/** The error of a file that breaks the rules of its format; the message names it without its folders. */
export function badFile(path: string, problem: string, cause?: unknown): StudioError {
  return new StudioError('bad-file', `${basename(path)}: ${problem}`, { cause, field: basename(path) })
}
