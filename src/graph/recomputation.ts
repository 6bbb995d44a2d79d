import { isView, memoryOf } from './memory.ts'
import { after } from './ops.ts'
import type { Graph, Node, Value } from './value.ts'

/**
 * What the way back reads of the way forth, computed a second time instead of kept (Chen et al. 2016, "Training deep
 * nets with sublinear memory cost"). The nodes are cut into segments where little passes from one to the next; what
 * passes is kept, the rest of a segment is computed anew when the way back reaches it. Of the last segment, where it
 * begins, everything is still there.
 */
export class Recomputation {
  readonly #graph: Graph
  readonly #segments: readonly (readonly Node[])[]
  readonly #segmentOf = new Map<Node, number>()
  /** By segment, the gradient that the way back enters it with: before that, nothing shall be computed anew. */
  readonly #begins = new Map<number, Value>()
  /** By segment, what stands for values of the way forth. */
  readonly #copies: Map<Value, Value>[]

  /** Shapes must be numbers: where to cut is a matter of sizes. */
  constructor(graph: Graph, nodes: readonly Node[]) {
    this.#graph = graph
    const cuts = bestCuts(nodes)
    this.#segments = [...cuts, nodes.length].map((end, i) => nodes.slice(cuts[i - 1] ?? 0, end))
    for (const [i, segment] of this.#segments.entries()) for (const node of segment) this.#segmentOf.set(node, i)
    this.#copies = this.#segments.map(() => new Map())
  }

  /** What the way back through a node, from the gradient `dy`, reads in place of values of the way forth. */
  on(node: Node, dy: Value): (value: Value) => Value {
    const segment = this.#segmentOf.get(node)
    if (segment === undefined) throw new Error(`internal: ${node.op} is not on the way forth`)
    if (segment === this.#segments.length - 1) return (value) => value
    if (!this.#begins.has(segment)) {
      this.#begins.set(segment, dy)
      this.#repeat(segment)
    }
    return (value) => this.#copyIn(segment, value)
  }

  #repeat(segment: number): void {
    const copies = this.#copies[segment]!
    for (const { op, inputs, params, outputs } of this.#segments[segment]!) {
      const known = inputs.map((input) => input && this.#copyIn(segment, input))
      const repeated = this.#graph.append(op, known, params)
      for (const [i, output] of outputs.entries()) copies.set(output, repeated[i]!)
    }
  }

  #copyIn(segment: number, value: Value): Value {
    const copies = this.#copies[segment]!
    const known = copies.get(value)
    if (known) return known
    const { kind } = value.source
    // Weights and constants are there anyway, and what follows from them alone is worth keeping.
    if (kind === 'weight' || kind === 'constant') return value
    const recalled = after(value, this.#begins.get(segment)!)
    copies.set(value, recalled)
    return recalled
  }
}

/** Before which nodes to cut: of several sizes of segments, that with the least kept and computed anew at once. */
function bestCuts(nodes: readonly Node[]): readonly number[] {
  const { sizes, spans } = measured(nodes)
  const crossing = crossings(spans, nodes.length)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const candidates = [1, 2, 4, 8, 16, 32, 64].map((parts) => cutsFor(total / parts, sizes, crossing))
  const costs = candidates.map((cuts) => keptBytes(spans, cuts) + largestSegment(sizes, cuts))
  return candidates[costs.indexOf(Math.min(...costs))]!
}

/** A value that nodes make: before which node it exists for the first time, and the last node that reads it. */
interface Span {
  readonly made: number
  readonly read: number
  readonly bytes: number
}

/** Bytes that each node makes, and from where to where they are read. */
function measured(nodes: readonly Node[]): { sizes: readonly number[]; spans: readonly Span[] } {
  const spans = new Map<Value, { made: number; read: number; bytes: number }>()
  const sizes = nodes.map(({ op, inputs, outputs }, at) => {
    for (const input of inputs) {
      const span = input && spans.get(memoryOf(input))
      if (span) span.read = at
    }
    if (isView(op)) return 0
    return outputs.reduce((sum, output) => {
      const bytes = bytesOf(output)
      spans.set(output, { made: at, read: at, bytes })
      return sum + bytes
    }, 0)
  })
  return { sizes, spans: [...spans.values()] }
}

function bytesOf({ shape }: Value): number {
  return shape.reduce<number>((product, dim) => {
    if (typeof dim !== 'number') throw new Error('internal: what has an open size cannot be cut by size')
    return product * dim
  }, 4)
}

/** Bytes that pass from before each node to it or one after it. */
function crossings(spans: readonly Span[], count: number): readonly number[] {
  const changes = new Array<number>(count + 1).fill(0)
  for (const { made, read, bytes } of spans) {
    changes[made + 1]! += bytes
    changes[read + 1]! -= bytes
  }
  let bytes = 0
  return changes.map((change) => {
    bytes += change
    return bytes
  })
}

/** Cuts into segments that make up to so many bytes each, where the least passes in their second half. */
function cutsFor(limit: number, sizes: readonly number[], crossing: readonly number[]): readonly number[] {
  const cuts: number[] = []
  let start = 0
  while (start < sizes.length) {
    let [bytes, best] = [0, start + 1]
    let end = start
    for (; end < sizes.length && (bytes + sizes[end]! <= limit || end === start); end++) {
      bytes += sizes[end]!
      if (bytes < limit / 2 || crossing[end + 1]! <= crossing[best]!) best = end + 1
    }
    if (end === sizes.length) break
    cuts.push(best)
    start = best
  }
  return cuts
}

function keptBytes(spans: readonly Span[], cuts: readonly number[]): number {
  return spans.reduce(
    (sum, { made, read, bytes }) => (cuts.some((at) => made < at && at <= read) ? sum + bytes : sum),
    0,
  )
}

function largestSegment(sizes: readonly number[], cuts: readonly number[]): number {
  const ends = [...cuts, sizes.length]
  const segments = ends.map((end, i) => sizes.slice(cuts[i - 1] ?? 0, end).reduce((sum, size) => sum + size, 0))
  return Math.max(...segments)
}
