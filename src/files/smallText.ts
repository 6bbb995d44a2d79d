import { readFileSync, statSync } from 'node:fs'
import { StudioError } from '../errors.ts'
import { badFile } from './badFile.ts'

/** Reads a text file of at most `maxBytes`; anything else than a file, a pipe for one, is refused unread. */
export function readSmallText(path: string, maxBytes: number): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new StudioError('missing-file', `${path} does not exist`)
  if (!stats.isFile()) throw badFile(path, 'not a file')
  if (stats.size > maxBytes) throw badFile(path, `${stats.size} bytes, at most ${maxBytes} expected`)
  return readFileSync(path, 'utf8')
}
