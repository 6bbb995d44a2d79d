import type { PlainMap, PlainValue } from '../files/weights.ts'

/** The value at a path of keys through nested maps; undefined where the path leads nowhere. */
export function plainAt(map: PlainMap | undefined, ...path: readonly string[]): PlainValue | undefined {
  let node: PlainValue | undefined = map
  for (const key of path) node = node instanceof Map ? node.get(key) : undefined
  return node
}
