import { Graph, type Node, type Value } from '../graph/value.ts'

/**
 * What takes a node's place in a copy of its graph; `inputs` are its inputs there. Undefined keeps the node.
 */
export type Rule = (node: Node, inputs: readonly (Value | null)[], copy: Graph) => readonly Value[] | undefined

/** A copy of a graph after a rule. Nodes that lost their readers stay until `simplify`. */
export function rewrite(graph: Graph, rule: Rule): Graph {
  const copier = new Copier(graph)
  for (const node of graph.nodes) copier.add(node, rule(node, copier.inputs(node), copier.copy))
  return copier.finish()
}

/** A graph being copied node by node, in any order that has every node after what it reads. */
export class Copier {
  readonly copy = new Graph()
  readonly #original: Graph
  readonly #copies = new Map<Value, Value>()

  constructor(original: Graph) {
    this.#original = original
    for (const input of original.inputs) {
      if (input.source.kind !== 'input') throw new Error('internal: an input that is none')
      this.put(input, this.copy.input(input.source.name, input.shape, input.type))
    }
  }

  /** What stands for a value of the original in the copy. */
  of(value: Value): Value {
    const known = this.#copies.get(value) ?? leaf(this.copy, value)
    this.put(value, known)
    return known
  }

  put(value: Value, standIn: Value): void {
    this.#copies.set(value, standIn)
  }

  inputs(node: Node): readonly (Value | null)[] {
    return node.inputs.map((input) => input && this.of(input))
  }

  /** Copies a node, or puts other values in the place of its outputs. */
  add(node: Node, instead?: readonly Value[]): void {
    const outputs = instead ?? this.copy.append(node.op, this.inputs(node), node.params)
    for (const [i, output] of node.outputs.entries()) this.put(output, outputs[i]!)
  }

  finish(): Graph {
    for (const [name, value] of this.#original.outputs) this.copy.output(name, this.of(value))
    return this.copy
  }
}

/** A weight or a constant in another graph. */
export function leaf(copy: Graph, { source, shape, type }: Value): Value {
  if (source.kind === 'weight') return copy.weight(source.name, source.entry, type, shape)
  if (source.kind === 'constant') return copy.constant(source.data, shape.map(Number), type)
  throw new Error(`internal: a ${source.kind} is read before it is made`)
}
