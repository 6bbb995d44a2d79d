import { resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isTypedArray } from 'node:util/types'

const packageFolder = fileURLToPath(new URL('../../..', import.meta.url))

/** Fields of tasks, events and results that hold a path of the machine. */
const pathFields: ReadonlySet<string> = new Set(['path', 'savedPath', 'checkpoint'])

/**
 * Machines of a fleet may have the data folder and the program at different places: what goes between them names
 * files by what both have. A request's own body is left alone: nothing in it is a path.
 */
export class Portable {
  readonly #roots: readonly (readonly [string, string])[]

  constructor(dataDir: string) {
    // The data folder usually lies in the program's.
    this.#roots = [
      ['athanor-data:', resolve(dataDir)],
      ['athanor-package:', resolve(packageFolder)],
    ]
  }

  /** Plain data of this machine as it is told to others. */
  pack<T>(value: T): T {
    return walk(value, (path) => this.packPath(path))
  }

  /** Plain data of another machine as it is here. */
  unpack<T>(value: T): T {
    return walk(value, (path) => this.unpackPath(path))
  }

  packPath(path: string): string {
    for (const [mark, root] of this.#roots) {
      if (path.startsWith(root + sep)) return mark + path.slice(root.length).split(sep).join('/')
    }
    return path
  }

  unpackPath(path: string): string {
    for (const [mark, root] of this.#roots) {
      if (path.startsWith(`${mark}/`)) return root + path.slice(mark.length).split('/').join(sep)
    }
    return path
  }
}

function walk<T>(value: T, ofPath: (path: string) => string): T {
  return walked(value, ofPath) as T
}

function walked(value: unknown, ofPath: (path: string) => string): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof Set) return value
  if (isTypedArray(value) || value instanceof ArrayBuffer) return value
  if (Array.isArray(value)) return value.map((each) => walked(each, ofPath))
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, walked(each, ofPath)]))
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      if (key === 'body') return [key, each]
      return [key, pathFields.has(key) && typeof each === 'string' ? ofPath(each) : walked(each, ofPath)]
    }),
  )
}
