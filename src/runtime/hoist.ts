import type { Graph, Node, Value } from '../graph/value.ts'
import { Copier } from './rewrite.ts'

/** A graph without what weights alone decide: the body is fed these values, which need computing only once. */
export interface Hoisted {
  readonly body: Graph
  /** What the body is fed, by the name of its input: values of the original graph. */
  readonly fixed: ReadonlyMap<string, Value>
}

/** Splits a graph at the last values that depend on nothing but weights, such as casts and other orders of numbers. */
export function hoist(graph: Graph): Hoisted {
  const isFixed = fixedValues(graph)
  const copier = new Copier(graph)
  const names = new Map<Value, string>()
  const feed = (value: Value | null) => {
    if (value?.source.kind !== 'node' || !isFixed(value) || names.has(value)) return
    const name = `fixed ${names.size}`
    names.set(value, name)
    copier.put(value, copier.copy.input(name, value.shape, value.type))
  }

  for (const node of graph.nodes) {
    if (node.outputs.every(isFixed)) continue
    node.inputs.forEach(feed)
    copier.add(node)
  }
  for (const value of graph.outputs.values()) feed(value)
  return { body: copier.finish(), fixed: new Map([...names].map(([value, name]) => [name, value])) }
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
    const isClosed = node.outputs.every(({ shape }) => shape.every((dim) => typeof dim === 'number'))
    if (isOfWeights && isClosed) for (const output of node.outputs) fixed.add(output)
  }
  return isFixed
}
