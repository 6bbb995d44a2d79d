import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import Libsql from 'libsql'
import { StudioError } from '../errors.ts'

/** A lock that the system forgets with the process that holds it, however that ends. */
export interface ProcessLock {
  release(): void
}

/** Takes the lock of a path; undefined where another process holds it still after `patienceMs`. */
export function takeLock(path: string, patienceMs = 0): ProcessLock | undefined {
  try {
    mkdirSync(dirname(path), { recursive: true })
    const file = new Libsql(path, { timeout: patienceMs })
    try {
      file.exec('BEGIN EXCLUSIVE')
    } catch (cause) {
      file.close()
      throw cause
    }
    return {
      release() {
        file.exec('ROLLBACK')
        file.close()
      },
    }
  } catch (cause) {
    const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown }
    if (/^SQLITE_(BUSY|LOCKED)/.test(String(code))) return undefined
    throw new StudioError('missing-file', `${path}: cannot be locked: ${String(message)}`, { cause, field: path })
  }
}

/** Whether a process holds the lock of a path. */
export function isLocked(path: string): boolean {
  const lock = takeLock(path)
  lock?.release()
  return lock === undefined
}
