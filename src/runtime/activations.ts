import { type Dim, termsOf } from '../graph/dim.ts'
import { isView, memoryOf } from '../graph/memory.ts'
import type { Graph, Node, Value } from '../graph/value.ts'
import type { ElementType } from '../graph/valueType.ts'
import type { Feed } from './feed.ts'
import { runOrder } from './runOrder.ts'

/**
 * About how many bytes a run holds at its fullest, from what is alive between one node and the next in the order they
 * are run: inputs and weights are not counted, which are held by others. The runtime's allocator takes up to a third
 * more.
 */
export function activationBytes(
  graph: Graph,
  feeds: Readonly<Record<string, Feed>>,
  order: readonly Node[] = runOrder(graph),
): number {
  const size = sizes(graph, feeds)
  const lastReader = new Map<Value, number>()
  for (const [at, { inputs }] of order.entries()) {
    for (const input of inputs) if (input) lastReader.set(memoryOf(input), at)
  }
  for (const output of graph.outputs.values()) lastReader.set(memoryOf(output), order.length)

  let alive = 0
  let most = 0
  for (const [at, { op, inputs, outputs }] of order.entries()) {
    if (!isView(op)) for (const output of outputs) alive += size(output)
    most = Math.max(most, alive)
    const read = new Set(inputs.flatMap((input) => (input ? [memoryOf(input)] : [])))
    for (const value of read) if (value.source.kind === 'node' && lastReader.get(value) === at) alive -= size(value)
  }
  return most
}

/** Bytes of a value in one run. */
function sizes(graph: Graph, feeds: Readonly<Record<string, Feed>>): (value: Value) => number {
  const numbers = new Map<string, number>()
  for (const { source, shape } of graph.inputs) {
    const feed = source.kind === 'input' ? feeds[source.name] : undefined
    for (const [axis, dim] of shape.entries()) {
      const [term, ...others] = termsOf(dim)
      const [symbol, ...factors] = term?.symbols ?? []
      if (!feed || symbol === undefined || factors.length > 0 || others.length > 0) continue
      numbers.set(symbol, feed.shape[axis]! / term!.coefficient)
    }
  }
  const numberOf = (dim: Dim) =>
    termsOf(dim).reduce(
      (sum, { coefficient, symbols }) =>
        sum + symbols.reduce((product, symbol) => product * (numbers.get(symbol) ?? 1), coefficient),
      0,
    )
  return ({ shape, type }) => shape.reduce<number>((product, dim) => product * numberOf(dim), bytesOf[type])
}

const bytesOf: Readonly<Record<ElementType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8e4m3fn: 1,
  float8e5m2: 1,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
}
