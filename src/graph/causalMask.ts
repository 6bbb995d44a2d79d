import { constant } from './ops.ts'
import type { Graph, Value } from './value.ts'

/** Far enough below any score that softmax makes it nothing, and finite. */
const hidden = -1e9

/** What is added to attention scores [T, T] so that token t sees tokens 0 to t: 0 where column ≤ row, else hidden. */
export function causalMask(graph: Graph, tokens: number): Value {
  const mask = Float32Array.from({ length: tokens * tokens }, (_, i) =>
    i % tokens > Math.floor(i / tokens) ? hidden : 0,
  )
  return constant(graph, mask, [tokens, tokens])
}
