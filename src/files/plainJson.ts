import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { StudioError } from '../errors.ts'
import type { PlainMap, PlainValue } from './weights.ts'

/** Configuration files are a few kilobytes; indices of sharded weights a few hundred. */
const maxBytes = 2 ** 24
const maxDepth = 32

/** Reads a JSON file that must hold an object, as maps, so that no key can stand for something else. */
export function readPlainJson(path: string): PlainMap {
  const fail = (problem: string, cause?: unknown): never => {
    throw new StudioError('bad-file', `${basename(path)}: ${problem}`, { cause, field: basename(path) })
  }
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined) throw new StudioError('missing-file', `${path} does not exist`, { field: basename(path) })
  if (size > maxBytes) return fail(`${size} bytes of JSON, at most ${maxBytes} expected`)
  let json: unknown
  try {
    json = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    return fail('not JSON', cause)
  }
  const plain = toPlain(json, 0, fail)
  return plain instanceof Map ? plain : fail('an object is expected')
}

function toPlain(json: unknown, depth: number, fail: (problem: string) => never): PlainValue {
  if (depth > maxDepth) return fail(`nested deeper than ${maxDepth}`)
  if (json === null || typeof json === 'string' || typeof json === 'number' || typeof json === 'boolean') return json
  if (Array.isArray(json)) return json.map((item) => toPlain(item, depth + 1, fail))
  return new Map(Object.entries(json as object).map(([key, value]) => [key, toPlain(value, depth + 1, fail)]))
}
