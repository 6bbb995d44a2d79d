import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StudioError } from '../errors.ts'

/**
 * Writes a file so that a reader sees the old one or the whole new one, never a part: into a temporary file of the
 * same folder (made where it is missing), flushed to the disk, then renamed. `parts` are written one after another.
 */
export function replaceFile(path: string, parts: Iterable<Uint8Array>): void {
  const folder = dirname(path)
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`)
  try {
    mkdirSync(folder, { recursive: true })
    writeFlushed(temporary, parts)
    renameSync(temporary, path)
  } catch (cause) {
    if (existsSync(temporary)) rmSync(temporary)
    const { code } = cause as NodeJS.ErrnoException
    if (code === undefined || cause instanceof StudioError) throw cause
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new StudioError('no-space', `${path} cannot be written: no space is left on the disk`, { cause })
    }
    throw new StudioError('missing-file', `${path} cannot be written: ${code}`, { cause })
  }
}

function writeFlushed(path: string, parts: Iterable<Uint8Array>): void {
  const descriptor = openSync(path, 'wx')
  try {
    for (const part of parts) writeAll(descriptor, part)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  let done = 0
  while (done < bytes.length) done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, 2 ** 30))
}
