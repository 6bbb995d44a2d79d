import { Graph, type Node, type Value } from '../graph/value.ts'
import { sizeOf } from '../tensor/shape.ts'
import { Copier, leaf } from './rewrite.ts'

/** A graph in two: what weights alone decide, in pieces that are computed once, and the rest, which is fed it. */
export interface Hoisted {
  readonly pieces: readonly Piece[]
  readonly body: Graph
}

/** Some of what the body is fed: outputs are named and shaped as its inputs. */
export interface Piece {
  readonly graph: Graph
  readonly shapes: ReadonlyMap<string, readonly number[]>
  readonly sizeBytes: number
}

/** Outputs of a piece come to about this many bytes, which is what packing needs beside them. */
const pieceBytes = 2 ** 28

/** Splits a graph at the last values that depend on nothing but weights, such as casts and other orders of numbers. */
export function hoist(graph: Graph): Hoisted {
  const isFixed = fixedValues(graph)
  const copier = new Copier(graph)
  const frontier = new Map<Value, string>()
  const readBy = (value: Value | null) => {
    if (value?.source.kind !== 'node' || !isFixed(value) || frontier.has(value)) return
    const name = `prepared ${frontier.size}`
    frontier.set(value, name)
    copier.put(value, copier.copy.input(name, value.shape, value.type))
  }

  for (const node of graph.nodes) {
    if (node.outputs.every(isFixed)) continue
    node.inputs.forEach(readBy)
    copier.add(node)
  }
  for (const value of graph.outputs.values()) readBy(value)
  return { pieces: piecesOf(frontier), body: copier.finish() }
}

/**
 * The same graph with all nodes that depend on nothing but weights in front. The runtime runs a node late that stands
 * early, so it then makes each of them just before its reader and forgets it after, instead of all at once.
 */
export function fixedFirst(graph: Graph): Graph {
  const isFixed = fixedValues(graph)
  const copier = new Copier(graph)
  const isFront = (node: Node) => node.outputs.every(isFixed)
  for (const node of graph.nodes) if (isFront(node)) copier.add(node)
  for (const node of graph.nodes) if (!isFront(node)) copier.add(node)
  return copier.finish()
}

/** Which values of a graph depend on weights, and besides them only on constants. */
function fixedValues(graph: Graph): (value: Value) => boolean {
  const fixed = new Set<Value>()
  const isFixed = (value: Value) => value.source.kind === 'weight' || fixed.has(value)
  for (const node of graph.nodes) {
    const read = node.inputs.filter((input) => input !== null)
    const isOfWeights = read.some(isFixed) && read.every((value) => isFixed(value) || value.source.kind === 'constant')
    const isClosed = node.outputs.every(
      ({ shape, type }) => shape.every((dim) => typeof dim === 'number') && type !== 'bool',
    )
    if (isOfWeights && isClosed) for (const output of node.outputs) fixed.add(output)
  }
  return isFixed
}

function piecesOf(frontier: ReadonlyMap<Value, string>): readonly Piece[] {
  const pieces: Piece[] = []
  let group: [Value, string][] = []
  let bytes = 0
  const close = () => {
    if (group.length > 0) pieces.push(pieceOf(group, bytes))
    group = []
    bytes = 0
  }
  for (const entry of frontier) {
    group.push(entry)
    bytes += 4 * sizeOf(entry[0].shape.map(Number))
    if (bytes >= pieceBytes) close()
  }
  close()
  return pieces
}

function pieceOf(values: readonly [Value, string][], sizeBytes: number): Piece {
  const graph = new Graph()
  const copies = new Map<Value, Value>()
  const copyOf = (value: Value): Value => {
    const known = copies.get(value)
    if (known) return known
    const { source } = value
    if (source.kind !== 'node') {
      copies.set(value, leaf(graph, value))
      return copies.get(value)!
    }
    const { op, inputs, params, outputs } = source.node
    const made = graph.append(
      op,
      inputs.map((input) => input && copyOf(input)),
      params,
    )
    for (const [i, output] of outputs.entries()) copies.set(output, made[i]!)
    return copies.get(value)!
  }
  for (const [value, name] of values) graph.output(name, copyOf(value))
  return { graph, sizeBytes, shapes: new Map(values.map(([{ shape }, name]) => [name, shape.map(Number)])) }
}
