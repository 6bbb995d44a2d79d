import { sizeOf } from '../tensor/shape.ts'
import type { OpName, OpParams } from './operators.ts'
import type { Node } from './value.ts'

/** Above this many elements a result costs more as bytes in the graph than as work at run time. */
const largest = 65536

interface Constant {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

type Fold<Op extends OpName> = (
  inputs: readonly Constant[],
  params: OpParams[Op],
  shape: readonly number[],
) => Float32Array

/** The numbers of a node's output where all it reads are float32 constants and a rule below says how. */
export function fold<Op extends OpName>({ op, params, inputs, outputs }: Node<Op>): Constant | undefined {
  const rule: Fold<Op> | undefined = folds[op]
  const shape = outputs[0]?.shape.filter((dim) => typeof dim === 'number')
  if (!rule || !shape || shape.length !== outputs[0]?.shape.length || sizeOf(shape) > largest) return undefined

  const constants: Constant[] = []
  for (const input of inputs) {
    if (input?.source.kind !== 'constant' || !(input.source.data instanceof Float32Array)) return undefined
    constants.push({ shape: input.shape.filter((dim) => typeof dim === 'number'), data: input.source.data })
  }
  return { shape, data: rule(constants, params, shape) }
}

const folds: { readonly [Op in OpName]?: Fold<Op> } = {
  Add: elementwise((a, b) => a + b),
  Sub: elementwise((a, b) => a - b),
  Mul: elementwise((a, b) => a * b),
  Div: elementwise((a, b) => a / b),
  Neg: elementwise((a) => -a),
  Sqrt: elementwise(Math.sqrt),
  Abs: elementwise(Math.abs),
  Exp: elementwise(Math.exp),
  Log: elementwise(Math.log),
  Sin: elementwise(Math.sin),
  Cos: elementwise(Math.cos),
  Reshape: ([x]) => x!.data,
  Expand: elementwise((x) => x),
  Transpose: ([x], { perm }, shape) => {
    const strides = stridesOf(x!.shape)
    const place = dotted(
      shape,
      perm.map((axis) => strides[axis]!),
    )
    return Float32Array.from({ length: sizeOf(shape) }, (_, i) => x!.data[place(i)]!)
  },
}

/** In double precision and then rounded: for one operation that is float32 arithmetic. */
function elementwise(f: (a: number, b: number) => number) {
  return ([a, b = a]: readonly Constant[], _: unknown, shape: readonly number[]) => {
    const [placeA, placeB] = [a!, b!].map((x) => dotted(shape, stretched(x.shape, shape)))
    return Float32Array.from({ length: sizeOf(shape) }, (_, i) => f(a!.data[placeA!(i)]!, b!.data[placeB!(i)]!))
  }
}

/** Strides over a broadcast shape: 0 along axes which the tensor lacks or has only once. */
function stretched(from: readonly number[], to: readonly number[]): readonly number[] {
  const missing = to.length - from.length
  const strides = stridesOf(from)
  return to.map((_, axis) => ((from[axis - missing] ?? 1) === 1 ? 0 : strides[axis - missing]!))
}

function stridesOf(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))
}

/** From the number of an element of `shape` to Σ index · stride. */
function dotted(shape: readonly number[], strides: readonly number[]): (element: number) => number {
  const inner = stridesOf(shape)
  return (element) =>
    shape.reduce((place, dim, axis) => place + (Math.floor(element / inner[axis]!) % dim) * strides[axis]!, 0)
}
