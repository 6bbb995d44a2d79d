import type { PlainValue } from './weights.ts'

const maxDepth = 32

/** Parsed JSON or YAML as plain values, its objects as maps, so that no key can stand for something else. */
export function toPlainValue(parsed: unknown, fail: (problem: string) => never, depth = 0): PlainValue {
  if (depth > maxDepth) return fail(`nested deeper than ${maxDepth}`)
  if (parsed === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof parsed)) return parsed as PlainValue
  if (Array.isArray(parsed)) return parsed.map((item) => toPlainValue(item, fail, depth + 1))
  return new Map(Object.entries(parsed as object).map(([key, value]) => [key, toPlainValue(value, fail, depth + 1)]))
}
