import { type Dim, dimText, type Shape, termsOf } from './dim.ts'
import { type Attribute, elementCodes, lower, type OnnxNode, type Tensors } from './onnxNodes.ts'
import { Message } from './protobuf.ts'
import type { ConstantData, Graph, Node, Value } from './value.ts'
import type { ElementType } from './valueType.ts'

/** A weight's bytes: a slice of a file the runtime will open, or the bytes themselves. */
type Placement =
  | { readonly location: string; readonly offset: number; readonly length: number }
  | { readonly bytes: Uint8Array }

/** Where the runtime shall find a weight, in the element type `weight.type`. */
export type Place = (weight: Value) => Placement

const irVersion = 10
const opset = 21

/**
 * A graph as the bytes of an ONNX ModelProto. Weights are named by their path, and lie where `place` says; its nodes are
 * written in their order or another that has each after what it reads.
 */
export function toOnnx(graph: Graph, place: Place, nodes: readonly Node[] = graph.nodes): Uint8Array {
  const writer = new Writer(graph)
  const domains = new Set(['', 'com.microsoft'])
  for (const weight of graph.weights) writer.weight(weight, place(weight))
  for (const node of nodes) {
    const { attributes, domain, own, extra, type } = lower(node.op, node.params, node.inputs, writer)
    const inputs = [...node.inputs.slice(0, own).map((input) => (input ? writer.nameOf(input) : '')), ...extra]
    if (domain) domains.add(domain)
    writer.node(
      type ?? node.op,
      inputs,
      node.outputs.map((output) => writer.nameOf(output)),
      { attributes, ...(domain && { domain }) },
    )
  }
  for (const [name, value] of graph.outputs) writer.output(name, value)

  const model = new Message().integer(1, irVersion).bytes(2, 'athanor').bytes(7, writer.finish())
  for (const domain of domains) {
    model.bytes(8, new Message().bytes(1, domain).integer(2, domain === '' ? opset : 1))
  }
  return model.finish()
}

/** A GraphProto being written, with the small tensors that nodes share. */
class Writer implements Tensors {
  readonly #graph: Graph
  readonly #nodes: Message[] = []
  readonly #initializers: Message[] = []
  readonly #outputs: Message[] = []
  /** Names of tensors made here, by what they hold. */
  readonly #made = new Map<string, string>()
  readonly #constants = new Set<number>()
  /** What a node makes for an output is made under its name, so that the runtime need not copy it there. */
  readonly #results = new Map<Value, string>()

  constructor(graph: Graph) {
    this.#graph = graph
    for (const [name, value] of graph.outputs) {
      if (value.source.kind === 'node' && !this.#results.has(value)) this.#results.set(value, name)
    }
  }

  nameOf(value: Value): string {
    const { source } = value
    if (source.kind === 'input' || source.kind === 'weight') return source.name
    if (source.kind === 'constant' && !this.#constants.has(value.id)) {
      this.#constants.add(value.id)
      this.#initializers.push(tensorProto(`%${value.id}`, value).bytes(9, bytesOf(source.data)))
    }
    return this.#results.get(value) ?? `%${value.id}`
  }

  weight(weight: Value, placement: Placement): void {
    const proto = tensorProto(this.nameOf(weight), weight)
    if ('bytes' in placement) proto.bytes(9, placement.bytes)
    else {
      const { location, offset, length } = placement
      for (const [key, text] of Object.entries({ location, offset: `${offset}`, length: `${length}` })) {
        proto.bytes(13, new Message().bytes(1, key).bytes(2, text))
      }
      proto.integer(14, 1)
    }
    this.#initializers.push(proto)
  }

  node(op: string, inputs: readonly string[], outputs: readonly string[], as: Omit<OnnxNode, 'extra'>): void {
    const proto = new Message()
    for (const input of inputs) proto.bytes(1, input)
    for (const output of outputs) proto.bytes(2, output)
    proto.bytes(3, `${op}${outputs[0]}`).bytes(4, op)
    for (const [name, attribute] of Object.entries(as.attributes)) proto.bytes(5, attributeProto(name, attribute))
    if (as.domain) proto.bytes(7, as.domain)
    this.#nodes.push(proto)
  }

  output(name: string, value: Value): void {
    const made = this.nameOf(value)
    if (made !== name) this.node('Identity', [made], [name], { attributes: {} })
    this.#outputs.push(valueInfo(name, value.type, value.shape))
  }

  integers(values: readonly (number | bigint)[]): string {
    return this.#make(`int64 ${values}`, (name) => {
      const data = BigInt64Array.from(values, BigInt)
      this.#initializers.push(tensorProto(name, { type: 'int64', shape: [data.length] }).bytes(9, bytesOf(data)))
    })
  }

  floats(values: readonly number[], shape: readonly number[]): string {
    return this.#make(`float32 [${shape}] ${values}`, (name) => {
      const data = Float32Array.from(values)
      this.#initializers.push(tensorProto(name, { type: 'float32', shape }).bytes(9, bytesOf(data)))
    })
  }

  dims(shape: Shape): string {
    const numbers = shape.filter((dim) => typeof dim === 'number')
    if (numbers.length === shape.length) return this.integers(numbers)
    if (shape.length === 1) return this.#dim(shape[0]!)
    return this.#make(`shape ${shape.map(dimText)}`, (name) => {
      const parts = shape.map((dim) => this.#dim(dim))
      this.node('Concat', parts, [name], { attributes: { axis: 0 } })
    })
  }

  dimsAfter(shape: Shape, done: Value): string {
    return this.#make(`shape ${shape.map(dimText)} after ${done.id}`, (name) => {
      const size = this.#make(`count ${done.id}`, (count) => {
        this.node('Size', [this.nameOf(done)], [count], { attributes: {} })
      })
      const nothing = this.#arithmetic('Mul', size, this.integers([0]))
      this.node('Add', [this.dims(shape), nothing], [name], { attributes: {} })
    })
  }

  finish(): Message {
    const proto = new Message()
    for (const node of this.#nodes) proto.bytes(1, node)
    proto.bytes(2, 'graph')
    for (const initializer of this.#initializers) proto.bytes(5, initializer)
    for (const input of this.#graph.inputs) proto.bytes(11, valueInfo(this.nameOf(input), input.type, input.shape))
    for (const output of this.#outputs) proto.bytes(12, output)
    return proto
  }

  /** A dimension as an int64 vector of one: its polynomial, evaluated over the symbols. */
  #dim(dim: Dim): string {
    if (typeof dim === 'number') return this.integers([dim])
    return this.#make(`dim ${dimText(dim)}`, (name) => {
      const terms = termsOf(dim).map(({ coefficient, symbols }) =>
        symbols
          .map((symbol) => this.#symbol(symbol))
          .reduce((a, b) => this.#arithmetic('Mul', a, b), this.integers([coefficient])),
      )
      this.node('Identity', [terms.reduce((a, b) => this.#arithmetic('Add', a, b))], [name], { attributes: {} })
    })
  }

  /** A symbol's value, read off a graph input that has a multiple of it as a dimension. */
  #symbol(symbol: string): string {
    return this.#make(`symbol ${symbol}`, (name) => {
      for (const input of this.#graph.inputs) {
        for (const [axis, dim] of input.shape.entries()) {
          const [term, ...others] = termsOf(dim)
          if (others.length > 0 || term!.symbols.length !== 1 || term!.symbols[0] !== symbol) continue
          const size = this.#make(`size ${input.id} ${axis}`, (sizeName) => {
            this.node('Shape', [this.nameOf(input)], [sizeName], { attributes: { start: axis, end: axis + 1 } })
          })
          this.node('Div', [size, this.integers([term!.coefficient])], [name], { attributes: {} })
          return
        }
      }
      throw new Error(`internal: no input has ${symbol} as a dimension`)
    })
  }

  #arithmetic(op: 'Add' | 'Mul', a: string, b: string): string {
    return this.#make(`${op} ${a} ${b}`, (name) => this.node(op, [a, b], [name], { attributes: {} }))
  }

  #make(key: string, write: (name: string) => void): string {
    const known = this.#made.get(key)
    if (known) return known
    const name = `%%${this.#made.size}`
    this.#made.set(key, name)
    write(name)
    return name
  }
}

function tensorProto(name: string, { type, shape }: { type: ElementType; shape: Shape }): Message {
  const proto = new Message()
  for (const dim of shape) {
    if (typeof dim !== 'number') throw new Error(`internal: tensor ${name} has an open size`)
    proto.integer(1, dim)
  }
  return proto.integer(2, elementCodes[type]).bytes(8, name)
}

function valueInfo(name: string, type: ElementType, shape: Shape): Message {
  const dims = new Message()
  for (const dim of shape) {
    dims.bytes(1, typeof dim === 'number' ? new Message().integer(1, dim) : new Message().bytes(2, dimText(dim)))
  }
  const tensorType = new Message().integer(1, elementCodes[type]).bytes(2, dims)
  return new Message().bytes(1, name).bytes(2, new Message().bytes(1, tensorType))
}

function attributeProto(name: string, attribute: Attribute): Message {
  const proto = new Message().bytes(1, name)
  if (typeof attribute === 'number') return proto.integer(3, attribute).integer(20, 2)
  if (typeof attribute === 'string') return proto.bytes(4, attribute).integer(20, 3)
  if ('float' in attribute) return proto.float(2, attribute.float).integer(20, 1)
  for (const int of attribute) proto.integer(8, int)
  return proto.integer(20, 7)
}

/** Row-major little-endian bytes, as every machine this runs on keeps them. */
function bytesOf(data: ConstantData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
