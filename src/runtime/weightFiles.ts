import { realpathSync, statSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { StudioError } from '../errors.ts'
import type { Place } from '../graph/onnx.ts'
import type { Graph, Value } from '../graph/value.ts'

/** The files that a graph's weights lie in, as they were when the graph was compiled. */
export interface WeightFiles {
  /** The deepest folder that holds all of them: the runtime takes weights from below one folder only. */
  readonly folder: string
  readonly place: Place
  /** Refuses to go on with files that are not what they were: mapped numbers would have changed unnoticed. */
  check(): void
}

export function weightFiles(graph: Graph): WeightFiles {
  const ends = new Map<string, number>()
  for (const weight of graph.weights) {
    const { location, sizeBytes } = entryOf(weight)
    if ('bytes' in location) continue
    const path = realPath(location.path)
    ends.set(path, Math.max(ends.get(path) ?? 0, location.offset + sizeBytes))
  }
  const seen = new Map([...ends.keys()].map((path) => [path, stateOf(path)]))
  for (const [path, end] of ends) {
    const { size } = seen.get(path)!
    if (size < end) {
      throw new StudioError('bad-file', `${path}: ends after ${size} bytes, its weights reach to ${end}`, {
        field: path,
      })
    }
  }
  const folder = commonFolder([...ends.keys()])
  return {
    folder,
    place(weight) {
      const { location, sizeBytes } = entryOf(weight)
      if ('bytes' in location) return { bytes: location.bytes }
      const path = relative(folder, realPath(location.path)).split(sep).join('/')
      return { location: path, offset: location.offset, length: sizeBytes }
    },
    check() {
      for (const [path, { size, mtimeMs }] of seen) {
        const now = stateOf(path)
        if (now.size === size && now.mtimeMs === mtimeMs) continue
        throw new StudioError('bad-file', `${path}: has changed since it was opened; load the model again`, {
          field: path,
        })
      }
    },
  }
}

/** Model folders are full of links, and the runtime refuses those that lead out of the folder. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch (cause) {
    throw new StudioError('missing-file', `${path}: cannot be opened`, { cause, field: path })
  }
}

/** A file's size and time of its last change. */
export function stateOf(path: string): { size: number; mtimeMs: number } {
  try {
    return statSync(path)
  } catch (cause) {
    throw new StudioError('missing-file', `${path}: cannot be opened`, { cause, field: path })
  }
}

function entryOf(weight: Value) {
  if (weight.source.kind !== 'weight') throw new Error('internal: not a weight')
  return weight.source.entry
}

function commonFolder(paths: readonly string[]): string {
  const [first, ...rest] = paths
  if (first === undefined) return resolve('.')
  let folder = dirname(first)
  const holds = (path: string) => path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
  while (!rest.every(holds) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}
