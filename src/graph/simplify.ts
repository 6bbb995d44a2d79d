import { sameDims, shapeText } from './dim.ts'
import { fold } from './fold.ts'
import type { OpName } from './operators.ts'
import { type ConstantData, Graph, type Node, type Value } from './value.ts'

/**
 * The same computation with less work: constants computed now, equal computations done once, operators that change
 * nothing left out, and whatever no output needs forgotten. Inputs and outputs keep their names and shapes.
 */
export function simplify(graph: Graph): Graph {
  // What a shortcut or a constant leaves without a reader, the second copy leaves behind.
  return rebuilt(rebuilt(graph))
}

/** A copy of what the outputs need, each part once. */
function rebuilt(graph: Graph): Graph {
  const copy = new Graph()
  const sharing = new Sharing()
  const copies = new Map<Value, Value>()
  for (const input of graph.inputs) {
    if (input.source.kind === 'input') copies.set(input, copy.input(input.source.name, input.shape, input.type))
  }
  const copyOf = (value: Value): Value => {
    const known = copies.get(value) ?? sharing.leaf(copy, value)
    copies.set(value, known)
    return known
  }

  const needed = live(graph)
  for (const node of graph.nodes) {
    if (!needed.has(node)) continue
    const inputs = node.inputs.map((input) => input && copyOf(input))
    const outputs = sharing.node(copy, { ...node, inputs })
    for (const [i, output] of node.outputs.entries()) copies.set(output, outputs[i]!)
  }
  for (const [name, value] of graph.outputs) copy.output(name, copyOf(value))
  return copy
}

/** Nodes that some output depends on. */
function live(graph: Graph): ReadonlySet<Node> {
  const needed = new Set<Node>()
  const wanted = [...graph.outputs.values()]
  for (let value = wanted.pop(); value; value = wanted.pop()) {
    if (value.source.kind !== 'node' || needed.has(value.source.node)) continue
    needed.add(value.source.node)
    for (const input of value.source.node.inputs) if (input) wanted.push(input)
  }
  return needed
}

/** What a new graph already has, so that asking again gives the same value. */
class Sharing {
  readonly #constants = new Map<string, Value>()
  readonly #nodes = new Map<string, readonly Value[]>()

  /** A weight or a constant of the old graph. */
  leaf(copy: Graph, { source, type, shape }: Value): Value {
    if (source.kind === 'weight') return copy.weight(source.name, source.entry, type, numbers(shape))
    if (source.kind === 'constant') return this.#constant(copy, source.data, numbers(shape), type)
    throw new Error(`internal: a ${source.kind} before the node that makes it`)
  }

  /** The outputs of a node whose inputs belong to the new graph. */
  node(copy: Graph, original: Node): readonly Value[] {
    const node = { ...original, inputs: original.inputs.map((input) => unreshaped(original.op, input)) }
    const short = shortcut(node)
    if (short) return [short]
    const folded = fold(node)
    if (folded) return [this.#constant(copy, folded.data, folded.shape, 'float32')]

    const params = JSON.stringify(node.params)
    const key = `${node.op} ${node.inputs.map((input) => input?.id)} ${params}`
    const known = this.#nodes.get(key) ?? copy.append(node.op, node.inputs, node.params)
    this.#nodes.set(key, known)
    return known
  }

  #constant(copy: Graph, data: ConstantData, shape: readonly number[], type: Value['type']): Value {
    if (data.length > longestCompared) return copy.constant(data, shape, type)
    const key = `${type} ${shapeText(shape)} ${data}`
    const known = this.#constants.get(key) ?? copy.constant(data, shape, type)
    this.#constants.set(key, known)
    return known
  }
}

/** Constants of more numbers are not looked for twins: spelling them out would take longer than it saves. */
const longestCompared = 2 ** 15

/** Only the last of several reshapes matters. */
function unreshaped(op: OpName, input: Value | null): Value | null {
  const inner = op === 'Reshape' && input?.source.kind === 'node' ? input.source.node : undefined
  return inner?.op === 'Reshape' ? inner.inputs[0]! : input
}

/** The value that a node passes on unchanged, if that is all it does. */
function shortcut({ op, inputs, outputs, params }: Node): Value | undefined {
  const [x, y] = inputs
  const [result] = outputs
  if (!x || !result) return undefined
  const unchanged = (value: Value | null | undefined) =>
    value && value.type === result.type && sameDims(value.shape, result.shape) ? value : undefined

  switch (op) {
    case 'Cast':
    case 'Reshape':
    case 'Expand':
      return unchanged(x)
    case 'Add':
      return isAll(y, 0) ? unchanged(x) : isAll(x, 0) ? unchanged(y) : undefined
    case 'Mul':
      return isAll(y, 1) ? unchanged(x) : isAll(x, 1) ? unchanged(y) : undefined
    case 'Sub':
      return isAll(y, 0) ? unchanged(x) : undefined
    case 'Div':
      return isAll(y, 1) ? unchanged(x) : undefined
    case 'Transpose':
      return 'perm' in params && params.perm.every((axis, i) => axis === i) ? x : undefined
    default:
      return undefined
  }
}

function isAll(value: Value | null | undefined, number: number): boolean {
  const source = value?.source
  return source?.kind === 'constant' && source.data instanceof Float32Array && source.data.every((x) => x === number)
}

function numbers(shape: Value['shape']): readonly number[] {
  return shape.map((dim) => {
    if (typeof dim !== 'number') throw new Error(`internal: a stored tensor of ${shapeText(shape)}`)
    return dim
  })
}
