import type { Graph, Value } from '../graph/value.ts'
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
 * The same graph with all nodes that depend on nothing but weights in front, anew for each of their readers. The runtime
 * runs a node late that stands early, so it then makes each of them just before its reader and forgets it after: not all
 * at once, and not from the way forth until the way back.
 */
export function fixedFirst(graph: Graph): Graph {
  const isFixed = fixedValues(graph)
  const copier = new Copier(graph)
  const fresh = (value: Value): Value => {
    if (value.source.kind !== 'node') return copier.of(value)
    const { node, output } = value.source
    const inputs = node.inputs.map((input) => input && fresh(input))
    return copier.copy.append(node.op, inputs, node.params)[output]!
  }
  const body = graph.nodes.filter((node) => !node.outputs.every(isFixed))
  const isMade = (value: Value | null) => value?.source.kind === 'node' && isFixed(value)
  const own = new Map(
    body.map((node) => [node, node.inputs.map((input) => (isMade(input) ? fresh(input!) : undefined))]),
  )
  for (const value of graph.outputs.values()) if (isMade(value)) copier.put(value, fresh(value))
  for (const node of body) {
    const inputs = own.get(node)!.map((made, i) => made ?? (node.inputs[i] ? copier.of(node.inputs[i]) : null))
    copier.add(node, copier.copy.append(node.op, inputs, node.params))
  }
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
