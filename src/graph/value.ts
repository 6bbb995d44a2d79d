import { StudioError } from '../errors.ts'
import type { WeightEntry } from '../files/weights.ts'
import { type Dim, mulDims, type Shape, sameDims, shapeText } from './dim.ts'
import type { OpName, OpParams } from './operators.ts'
import { inferTypes } from './shapes.ts'
import type { ElementType, ValueType } from './valueType.ts'

/** One tensor of a graph, not its numbers: they exist only while a session runs. */
export interface Value extends ValueType {
  readonly graph: Graph
  /** Position in the order of creation, unique within the graph. */
  readonly id: number
  readonly source: Source
}

/** Where the numbers of a value come from. */
export type Source =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'weight'; readonly name: string; readonly entry: WeightEntry }
  | { readonly kind: 'constant'; readonly data: ConstantData }
  | { readonly kind: 'node'; readonly node: Node; readonly output: number }

/** Numbers that travel inside the graph, row-major. Bool constants are bytes of 0 and 1. */
export type ConstantData = Float32Array | BigInt64Array | Int32Array | Uint8Array

/** An operator applied to values. An absent optional input is `null`, as ONNX's empty name. */
export interface Node<Op extends OpName = OpName> {
  readonly op: Op
  readonly params: OpParams[Op]
  readonly inputs: readonly (Value | null)[]
  readonly outputs: readonly Value[]
}

/**
 * A shorter way back from a value than through the nodes that make it: from the gradient by the value, those by the
 * inputs of the whole computation. What was computed on the way forth is read through `kept`.
 */
export interface Derivative {
  readonly inputs: readonly Value[]
  readonly vjp: (dy: Value, kept: (value: Value) => Value) => readonly Value[]
}

/**
 * A computation as data: values and operators in the order they were made, so every node comes after what it reads.
 * Nodes are only ever added; `simplify` and the gradients of the next floor make new graphs instead of changing one.
 */
export class Graph {
  readonly nodes: Node[] = []
  readonly inputs: Value[] = []
  readonly outputs = new Map<string, Value>()
  /** Derivatives that layers know better than the operators they are made of. */
  readonly derivatives = new Map<Value, Derivative>()
  readonly #weights = new Map<string, Value>()
  #created = 0

  /** A value fed at every run. */
  input(name: string, shape: Shape, type: ElementType = 'float32'): Value {
    if (this.inputs.some(({ source }) => source.kind === 'input' && source.name === name)) {
      throw new Error(`internal: two inputs named ${name}`)
    }
    const value = this.#value({ type, shape }, { kind: 'input', name })
    this.inputs.push(value)
    return value
  }

  /**
   * A tensor whose bytes stay in the user's file. `type` is what the graph sees: the stored type, or float32, to
   * which the runtime then converts while it loads. One value per name however often it is asked for.
   */
  weight(name: string, entry: WeightEntry, type: ElementType, shape: Shape = entry.shape): Value {
    const known = this.#weights.get(name)
    if (known) {
      if (sameDims(known.shape, shape) && known.type === type) return known
      throw new StudioError(
        'wrong-architecture',
        `${name}: asked for as ${shapeText(known.shape)} and ${shapeText(shape)}`,
      )
    }
    const value = this.#value({ type, shape }, { kind: 'weight', name, entry })
    this.#weights.set(name, value)
    return value
  }

  /** Numbers known while the graph is built. */
  constant(data: ConstantData, shape: readonly number[], type: ElementType = typeOf(data)): Value {
    const size = shape.reduce((product, dim) => product * dim, 1)
    if (size !== data.length) throw new Error(`internal: constant of [${shape}] from ${data.length} numbers`)
    return this.#value({ type, shape }, { kind: 'constant', data })
  }

  /** Adds an operator; its output types follow from the inputs, or the error says which input does not fit. */
  append<Op extends OpName>(op: Op, inputs: readonly (Value | null)[], params: OpParams[Op]): readonly Value[] {
    for (const input of inputs) {
      if (input && input.graph !== this) throw new Error(`internal: ${op} reads a value of another graph`)
    }
    const types = inferTypes(op, inputs, params, (problem) => misfit(op, inputs, problem))
    const outputs: Value[] = []
    const node: Node<Op> = { op, params, inputs, outputs }
    types.forEach((type, output) => {
      outputs.push(this.#value(type, { kind: 'node', node, output }))
    })
    this.nodes.push(node)
    return outputs
  }

  /** Names a result; sessions return it under that name. */
  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new Error(`internal: two outputs named ${name}`)
    if (value.graph !== this) throw new Error(`internal: output ${name} belongs to another graph`)
    this.outputs.set(name, value)
  }

  /** The weights asked for so far, in that order. */
  get weights(): readonly Value[] {
    return [...this.#weights.values()]
  }

  #value({ type, shape }: ValueType, source: Source): Value {
    return { graph: this, id: this.#created++, type, shape: [...shape], source }
  }
}

/** The dimension of an axis; negative axes count from the last. */
export function dimAt(value: ValueType, axis: number): Dim {
  const dim = value.shape.at(axis)
  if (dim === undefined) throw new Error(`internal: axis ${axis} of ${shapeText(value.shape)}`)
  return dim
}

/** The dimension of an axis that must be a number, such as channels. */
export function numberAt(value: ValueType, axis: number): number {
  const dim = dimAt(value, axis)
  if (typeof dim !== 'number') throw new Error(`internal: axis ${axis} of ${shapeText(value.shape)} is not a number`)
  return dim
}

/** Number of elements of a shape. */
export function elements(shape: Shape): Dim {
  return mulDims(...shape)
}

function typeOf(data: ConstantData): ElementType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof BigInt64Array) return 'int64'
  return data instanceof Int32Array ? 'int32' : 'uint8'
}

/** A weight that does not fit is the file's fault and names its path; anything else is ours. */
function misfit(op: OpName, inputs: readonly (Value | null)[], problem: string): never {
  const shapes = inputs.map((input) => (input ? shapeText(input.shape) : 'none')).join(', ')
  const path = inputs.map(weightPath).find((name) => name !== undefined)
  if (path === undefined) throw new Error(`internal: ${op} of ${shapes}: ${problem}`)
  throw new StudioError('wrong-architecture', `${path}: ${op} of ${shapes}: ${problem}`, { field: path })
}

/** The name of a weight, be it cast. */
function weightPath(value: Value | null): string | undefined {
  if (value?.source.kind === 'weight') return value.source.name
  const node = value?.source.kind === 'node' ? value.source.node : undefined
  return node?.op === 'Cast' ? weightPath(node.inputs[0]!) : undefined
}
