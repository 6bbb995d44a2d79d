import { addDims, type Dim, dimText, divideDim, mulDims, type Shape, sameDim, sameDims, shapeText } from './dim.ts'
import type { ConvParams, OpName, OpParams } from './operators.ts'
import type { ValueType } from './valueType.ts'

type Fail = (problem: string) => never
type Inputs = readonly (ValueType | null)[]
type Infer<Op extends OpName> = (inputs: Inputs, params: OpParams[Op], fail: Fail) => readonly ValueType[]

/** The types of an operator's outputs, or a call of `fail` saying which input does not fit and why. */
export function inferTypes<Op extends OpName>(
  op: Op,
  inputs: Inputs,
  params: OpParams[Op],
  fail: Fail,
): readonly ValueType[] {
  return shapes[op](inputs, params, fail)
}

/** One rule per operator. */
const shapes: { readonly [Op in OpName]: Infer<Op> } = {
  Add: arithmetic,
  Sub: arithmetic,
  Mul: arithmetic,
  Div: arithmetic,
  Neg: same,
  Sqrt: same,
  Abs: same,
  Exp: same,
  Log: same,
  Sin: same,
  Cos: same,
  Tanh: same,
  Sigmoid: same,
  Relu: same,
  LeakyRelu: same,
  Erf: same,
  Gelu: same,
  Clip: same,
  QuickGelu: same,
  ReorderInput: same,
  ReorderOutput: same,
  Softmax: same,
  Equal: comparison,
  Less: comparison,
  Where(inputs, _, fail) {
    const [condition, a, b] = need(inputs, 3, fail)
    if (condition!.type !== 'bool') fail(`the condition is ${condition!.type}`)
    const [result] = arithmetic([a!, b!], {}, fail)
    return [{ type: result!.type, shape: broadcast(condition!.shape, result!.shape, fail) }]
  },
  Cast([x], { to }) {
    return [{ type: to, shape: x!.shape }]
  },

  MatMul: (inputs, _, fail) => product(inputs, { transA: false, transB: false }, fail),
  FusedMatMul: (inputs, params, fail) => product(inputs, params, fail),
  Gemm(inputs, _, fail) {
    const [x, weight, bias] = inputs
    if (x?.shape.length !== 2 || weight?.shape.length !== 2) return fail('x and weight need two axes')
    sameType(x, weight, fail)
    if (!sameDim(x.shape[1]!, weight.shape[1]!)) {
      fail(`weight expects ${dimText(weight.shape[1]!)} features, x has ${dimText(x.shape[1]!)}`)
    }
    if (bias && !sameDims(bias.shape, [weight.shape[0]!])) fail(`bias is ${shapeText(bias.shape)}`)
    return [{ type: x.type, shape: [x.shape[0]!, weight.shape[0]!] }]
  },
  Conv: conv,
  BlockedConv(inputs, params, fail) {
    const [y] = conv(inputs, params, fail)
    const sum = inputs[3]
    if (sum && !sameDims(sum.shape, y!.shape)) fail(`the sum is ${shapeText(sum.shape)}, not ${shapeText(y!.shape)}`)
    return [y!]
  },
  LayerNormalization(inputs, _, fail) {
    const [x, scale, bias] = need(inputs, 3, fail)
    for (const affine of [scale!, bias!]) {
      if (!sameDims(affine.shape, [x!.shape.at(-1)!])) fail(`expects ${dimText(x!.shape.at(-1)!)} numbers`)
    }
    return [x!]
  },
  InstanceNormalization(inputs, _, fail) {
    const [x, scale, bias] = need(inputs, 3, fail)
    if (x!.shape.length < 3) fail('x needs batch, channels and space')
    for (const affine of [scale!, bias!]) {
      if (!sameDims(affine.shape, [x!.shape[1]!])) fail(`expects ${dimText(x!.shape[1]!)} channels`)
    }
    return [x!]
  },
  ReduceSum: reduced,
  ReduceMean: reduced,

  Reshape([x], { shape }, fail) {
    if (!sameDim(mulDims(...x!.shape), mulDims(...shape))) fail(`cannot become ${shapeText(shape)}`)
    return [{ type: x!.type, shape }]
  },
  Transpose([x], { perm }, fail) {
    const axes = [...perm].sort((a, b) => a - b)
    if (axes.length !== x!.shape.length || axes.some((axis, i) => axis !== i)) fail(`[${perm}] does not order its axes`)
    return [{ type: x!.type, shape: perm.map((axis) => x!.shape[axis]!) }]
  },
  Concat(inputs, { axis }, fail) {
    const parts = need(inputs, Math.max(1, inputs.length), fail)
    const [first, ...rest] = parts
    const at = axisOf(first!, axis, fail)
    for (const part of rest) {
      sameType(first!, part, fail)
      if (!sameDims(replaced(part.shape, at, 0), replaced(first!.shape, at, 0))) fail(`shapes differ beside axis ${at}`)
    }
    const joined = parts.reduce<Dim>((sum, part) => addDims(sum, part.shape[at]!), 0)
    return [{ type: first!.type, shape: replaced(first!.shape, at, joined) }]
  },
  Slice([x], { axis, start, end, step }, fail) {
    const at = axisOf(x!, axis, fail)
    const length = addDims(end, mulDims(-1, start))
    if (typeof length === 'number' && length < 0) fail(`from ${dimText(start)} to ${dimText(end)}`)
    const dim = x!.shape[at]!
    if (typeof dim === 'number' && typeof end === 'number' && end > dim) fail(`ends at ${end} of ${dim}`)
    const count = typeof length === 'number' ? Math.ceil(length / step) : divideDim(length, step)
    if (count === undefined) return fail(`${dimText(length)} in steps of ${step}`)
    return [{ type: x!.type, shape: replaced(x!.shape, at, count) }]
  },
  Expand([x], { shape }, fail) {
    if (!sameDims(broadcast(x!.shape, shape, fail), shape)) fail(`cannot become ${shapeText(shape)}`)
    return [{ type: x!.type, shape }]
  },
  Pad([x], { before, after }, fail) {
    if (before.length !== x!.shape.length || after.length !== x!.shape.length) fail('a width per axis is needed')
    return [{ type: x!.type, shape: x!.shape.map((dim, axis) => addDims(dim, before[axis]! + after[axis]!)) }]
  },
  Gather(inputs, { axis }, fail) {
    const [x, indices] = need(inputs, 2, fail)
    const at = axisOf(x!, axis, fail)
    return [{ type: x!.type, shape: [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)] }]
  },
  GatherElements(inputs, { axis }, fail) {
    const [x, indices] = need(inputs, 2, fail)
    const at = axisOf(x!, axis, fail)
    if (!sameDims(replaced(indices!.shape, at, 0), replaced(x!.shape, at, 0))) fail(`shapes differ beside axis ${at}`)
    return [{ type: x!.type, shape: indices!.shape }]
  },
  ScatterElements(inputs, _, fail) {
    const [x, indices, updates] = need(inputs, 3, fail)
    sameType(x!, updates!, fail)
    if (!sameDims(indices!.shape, updates!.shape)) fail('indices and updates differ')
    return [x!]
  },
  ArgMax([x], { axis }, fail) {
    return [{ type: 'int64', shape: replaced(x!.shape, axisOf(x!, axis, fail), 1) }]
  },
  TopK([x], { axis, k }, fail) {
    const shape = replaced(x!.shape, axisOf(x!, axis, fail), k)
    return [
      { type: x!.type, shape },
      { type: 'int64', shape },
    ]
  },
  Resize([x], { scale }, fail) {
    if (x!.shape.length !== 4) fail('x needs batch, channels, height and width')
    const [batch, channels, height, width] = x!.shape
    return [{ type: x!.type, shape: [batch!, channels!, mulDims(height!, scale), mulDims(width!, scale)] }]
  },

  MultiHeadAttention(inputs, { heads }, fail) {
    const [query, key, value] = need(inputs, 3, fail)
    if ([query!, key!, value!].some(({ shape }) => shape.length !== 3)) fail('each needs batch, tokens and features')
    if (!sameDim(query!.shape[2]!, key!.shape[2]!)) fail('query and key have different widths')
    if (!sameDim(key!.shape[1]!, value!.shape[1]!)) fail('key and value have different lengths')
    if (divideDim(query!.shape[2]!, heads) === undefined) fail(`${dimText(query!.shape[2]!)} features, ${heads} heads`)
    return [{ type: query!.type, shape: [query!.shape[0]!, query!.shape[1]!, value!.shape[2]!] }]
  },
}

/** ONNX's (NumPy's) rule: axes are matched from the last; a dimension of 1 stretches. */
function broadcast(a: Shape, b: Shape, fail: Fail): Shape {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const p = a[axis - rank + a.length] ?? 1
    const q = b[axis - rank + b.length] ?? 1
    if (p === 1) return q
    if (q === 1 || sameDim(p, q)) return p
    return fail(`${shapeText(a)} and ${shapeText(b)} do not broadcast`)
  })
}

function same([x]: Inputs): readonly ValueType[] {
  return [x!]
}

function arithmetic(inputs: Inputs, _: unknown, fail: Fail): readonly ValueType[] {
  const [a, b] = need(inputs, 2, fail)
  sameType(a!, b!, fail)
  return [{ type: a!.type, shape: broadcast(a!.shape, b!.shape, fail) }]
}

function comparison(inputs: Inputs, _: unknown, fail: Fail): readonly ValueType[] {
  const [result] = arithmetic(inputs, _, fail)
  return [{ type: 'bool', shape: result!.shape }]
}

function reduced([x]: Inputs, { axes }: { readonly axes: readonly number[] }, fail: Fail): readonly ValueType[] {
  const shape = axes.reduce<Shape>((dims, axis) => replaced(dims, axisOf(x!, axis, fail), 1), x!.shape)
  return [{ type: x!.type, shape }]
}

function product(
  inputs: Inputs,
  { transA, transB }: Pick<OpParams['FusedMatMul'], 'transA' | 'transB'>,
  fail: Fail,
): readonly ValueType[] {
  const [a, b] = need(inputs, 2, fail)
  sameType(a!, b!, fail)
  if (a!.shape.length < 2 || b!.shape.length < 2) fail('both sides need two axes')
  const [rows, inner] = transA ? [-1, -2] : [-2, -1]
  const [innerOfB, columns] = transB ? [-1, -2] : [-2, -1]
  if (!sameDim(a!.shape.at(inner)!, b!.shape.at(innerOfB)!)) fail('the inner dimensions differ')
  const batch = broadcast(a!.shape.slice(0, -2), b!.shape.slice(0, -2), fail)
  return [{ type: a!.type, shape: [...batch, a!.shape.at(rows)!, b!.shape.at(columns)!] }]
}

function conv(inputs: Inputs, { stride, pads, groups }: ConvParams, fail: Fail): readonly ValueType[] {
  const [x, weight, bias] = inputs
  if (x?.shape.length !== 4 || weight?.shape.length !== 4) return fail('x and weight need four axes')
  sameType(x, weight, fail)
  const [out, inGroup, ...kernel] = weight.shape
  const [batch, channels, ...space] = x.shape
  if (!sameDim(channels!, mulDims(inGroup!, groups))) {
    fail(`weight expects ${dimText(mulDims(inGroup!, groups))} channels, x is ${shapeText(x.shape)}`)
  }
  if (bias && !sameDims(bias.shape, [out!])) fail(`bias is ${shapeText(bias.shape)}`)
  const pooled = space.map((dim, axis) => {
    const size = kernel[axis]!
    if (typeof size !== 'number') return fail('the kernel has an open size')
    return strided(dim, pads[axis]! + pads[axis + 2]! - size, stride, fail)
  })
  return [{ type: x.type, shape: [batch!, out!, ...pooled] }]
}

/** ⌊(dim + margin) / stride⌋ + 1, where dim is open only if the stride divides it. */
function strided(dim: Dim, margin: number, stride: number, fail: Fail): Dim {
  if (typeof dim === 'number') {
    if (dim + margin < 0) fail(`the kernel is larger than the ${dim} points under it`)
    return Math.floor((dim + margin) / stride) + 1
  }
  if (stride === 1) return addDims(dim, margin + 1)
  const steps = divideDim(dim, stride)
  if (steps === undefined) return fail(`stride ${stride} does not divide ${dimText(dim)}`)
  return addDims(steps, Math.floor(margin / stride) + 1)
}

function need(inputs: Inputs, count: number, fail: Fail): readonly ValueType[] {
  if (inputs.length !== count || inputs.includes(null)) fail(`${count} inputs are needed`)
  return inputs.filter((input) => input !== null)
}

function sameType(a: ValueType, b: ValueType, fail: Fail): void {
  if (a.type !== b.type) fail(`${a.type} meets ${b.type}`)
}

function axisOf(x: ValueType, axis: number, fail: Fail): number {
  const at = axis < 0 ? axis + x.shape.length : axis
  if (at < 0 || at >= x.shape.length) fail(`there is no axis ${axis}`)
  return at
}

function replaced(shape: Shape, axis: number, dim: Dim): Shape {
  return shape.map((old, i) => (i === axis ? dim : old))
}
