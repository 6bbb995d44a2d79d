import type { WeightEntry } from '../files/weights.ts'
import { sameDim, sameDims } from '../graph/dim.ts'
import { add, cast, gemm, matmul, reshape, slice } from '../graph/ops.ts'
import type { Graph, Value } from '../graph/value.ts'
import { numberAt } from '../graph/value.ts'
import { rewrite } from './rewrite.ts'

/**
 * Computes the parts of a matrix product separately where only parts of it are read: a gated layer then never holds
 * both its halves as one array and cuts it. Rows of a weight are a slice of the same file.
 */
export function narrowProducts(graph: Graph): Graph {
  return rewrite(graph, ({ op, params }, [x]) => {
    if (op !== 'Slice' || !x || !('start' in params)) return undefined
    const { axis, start, end, step } = params
    const isLast = axis === x.shape.length - 1 || axis === -1
    if (!isLast || step !== 1 || typeof start !== 'number' || typeof end !== 'number') return undefined
    const part = narrowed(x, start, end)
    return part && [part]
  })
}

/** Features `start` to `end` of a product, or of a sum of them. */
function narrowed(y: Value, start: number, end: number): Value | undefined {
  if (y.source.kind !== 'node') return undefined
  const { op, inputs } = y.source.node
  const [a, b, c] = inputs
  if (!a) return undefined

  if (op === 'Reshape') {
    if (!sameDim(a.shape.at(-1)!, y.shape.at(-1)!)) return undefined
    const part = narrowed(a, start, end)
    return part && reshape(part, [...y.shape.slice(0, -1), end - start])
  }
  if (!b) return undefined
  if (op === 'Add') {
    if (!sameDims(a.shape, b.shape)) return undefined
    const [left, right] = [narrowed(a, start, end), narrowed(b, start, end)]
    return left && right && add(left, right)
  }
  if (op === 'MatMul') return matmul(a, slice(b, b.shape.length - 1, start, end))
  if (op !== 'Gemm') return undefined
  const weight = rowsOf(b, start, end)
  const bias = c ? rowsOf(c, start, end) : null
  return weight && bias !== undefined ? gemm(a, weight, bias) : undefined
}

/** Rows of a weight as a weight. */
function rowsOf(value: Value, start: number, end: number): Value | undefined {
  const { source, graph, type } = value
  if (source.kind === 'node' && source.node.op === 'Cast') {
    const stored = rowsOf(source.node.inputs[0]!, start, end)
    return stored && cast(stored, type)
  }
  if (source.kind !== 'weight') return undefined
  const { name, entry } = source
  return graph.weight(`${name}[${start}:${end}]`, entryRows(entry, start, end, numberAt(value, 0)), type, [
    end - start,
    ...value.shape.slice(1),
  ])
}

function entryRows(entry: WeightEntry, start: number, end: number, rows: number): WeightEntry {
  const { sizeBytes, location, shape } = entry
  const rowBytes = sizeBytes / rows
  return {
    ...entry,
    shape: [end - start, ...shape.slice(1)],
    sizeBytes: (end - start) * rowBytes,
    location:
      'bytes' in location
        ? { bytes: location.bytes.subarray(start * rowBytes, end * rowBytes) }
        : { ...location, offset: location.offset + start * rowBytes },
  }
}
