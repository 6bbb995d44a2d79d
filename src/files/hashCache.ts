import { readFileSync } from 'node:fs'
import { Remembered } from './remembered.ts'
import { replaceFile } from './replaceFile.ts'

/** By what a file's change is noticed. */
export interface FileStamp {
  readonly size: number
  readonly modified: number
}

interface Entry extends FileStamp {
  readonly hash: string
}

/** More than any collection of models has; the oldest are forgotten. */
const maxRemembered = 100_000

/**
 * Hashes remembered in a JSON file across runs. It is a cache: one that is broken, or that another program has
 * changed, is worth nothing but the time to compute its hashes again.
 */
export class HashCache {
  readonly #path: string
  readonly #entries = new Remembered(readEntries)
  readonly #underWay = new Map<string, Promise<string>>()

  constructor(path: string) {
    this.#path = path
  }

  /** The hash remembered under `key` for a file of this stamp; computed where there is none. */
  remembered(key: string, stamp: FileStamp, compute: () => Promise<string>): Promise<string> {
    const known = this.known(key, stamp)
    if (known !== undefined) return Promise.resolve(known)
    const already = this.#underWay.get(key)
    if (already) return already
    const computing = compute()
      .then((hash) => {
        this.#write(key, { ...stamp, hash })
        return hash
      })
      .finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, computing)
    return computing
  }

  /** The hash remembered under `key` for a file of this stamp. */
  known(key: string, stamp: FileStamp): string | undefined {
    const entry = this.#entries.of(this.#path).get(key)
    return entry && entry.size === stamp.size && entry.modified === stamp.modified ? entry.hash : undefined
  }

  #write(key: string, entry: Entry): void {
    const all = new Map(this.#entries.of(this.#path))
    all.delete(key)
    all.set(key, entry)
    const kept = [...all].slice(-maxRemembered)
    try {
      replaceFile(this.#path, [new TextEncoder().encode(`${JSON.stringify(Object.fromEntries(kept), null, 1)}\n`)])
    } catch {
      // On a read-only or full disk the next run computes again.
    }
  }
}

function readEntries(path: string): ReadonlyMap<string, Entry> {
  try {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return new Map(Object.entries(json ?? {}).filter((pair): pair is [string, Entry] => isRemembered(pair[1])))
  } catch {
    return new Map() // missing on the first run, broken after an accident
  }
}

function isRemembered(value: unknown): value is Entry {
  if (typeof value !== 'object' || value === null) return false
  const { size, modified, hash } = value as Record<string, unknown>
  return (
    typeof size === 'number' && typeof modified === 'number' && typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)
  )
}
