import { statSync } from 'node:fs'

/** What was read from files, kept for as long as each of them is the same: by its size, its time of change and its place on the disk. */
export class Remembered<T> {
  readonly #read: (path: string) => T
  readonly #known = new Map<string, { readonly stamp: string; readonly value: T }>()

  constructor(read: (path: string) => T) {
    this.#read = read
  }

  of(path: string): T {
    const stamp = stampOf(path)
    const known = this.#known.get(path)
    if (known?.stamp === stamp) return known.value
    const value = this.#read(path)
    this.#known.set(path, { stamp, value })
    return value
  }
}

/**
 * What changes whenever the file or the folder at a path, or what a link there leads to, changes; empty where nothing can
 * be seen, of which reading it tells more.
 */
export function stampOf(path: string): string {
  try {
    const { size, mtimeMs, ctimeMs, ino } = statSync(path)
    return `${size} ${mtimeMs} ${ctimeMs} ${ino}`
  } catch {
    return ''
  }
}
