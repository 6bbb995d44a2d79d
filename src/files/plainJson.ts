import { badFile } from './badFile.ts'
import { readSmallText } from './smallText.ts'
import type { PlainMap, PlainValue } from './weights.ts'

/** Configuration files are a few kilobytes; indices of sharded weights a few hundred. */
const maxBytes = 2 ** 22
const maxDepth = 32

/** Reads a JSON file that must hold an object, as maps, so that no key can stand for something else. */
export function readPlainJson(path: string): PlainMap {
  const fail = (problem: string, cause?: unknown): never => {
    throw badFile(path, problem, cause)
  }
  let json: unknown
  try {
    json = JSON.parse(readSmallText(path, maxBytes))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    return fail('not JSON', cause)
  }
  const plain = toPlainValue(json, fail)
  return plain instanceof Map ? plain : fail('an object is expected')
}

/** Parsed JSON or YAML as plain values, its objects as maps. */
export function toPlainValue(parsed: unknown, fail: (problem: string) => never, depth = 0): PlainValue {
  if (depth > maxDepth) return fail(`nested deeper than ${maxDepth}`)
  if (parsed === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof parsed)) return parsed as PlainValue
  if (Array.isArray(parsed)) return parsed.map((item) => toPlainValue(item, fail, depth + 1))
  return new Map(Object.entries(parsed as object).map(([key, value]) => [key, toPlainValue(value, fail, depth + 1)]))
}
