import { spreadMean, sumTo, zerosOf } from './broadcastGrad.ts'
import { addDims, mulDims, type Shape } from './dim.ts'
import type { OpName, OpParams } from './operators.ts'
import * as ops from './ops.ts'
import type { Value } from './value.ts'
import { attentionVjp } from './vjpAttention.ts'
import { convVjp, dilate } from './vjpConv.ts'

/**
 * An operator's backward rule: from the gradient by its (first) output, those by its inputs. `null` stands for an
 * input without a gradient: an index, a condition, an optional input that is absent.
 */
export type Vjp<Op extends OpName> = (
  dy: Value,
  y: Value,
  inputs: readonly Value[],
  params: OpParams[Op],
) => readonly (Value | null)[]

const { add, cos, div, exp, mul, neg, sigmoid, sin, sqrt, sub, where } = ops

/** One rule per operator, which the compiler keeps complete; `null` marks results that have no derivative. */
export const vjp: { readonly [Op in OpName]: Vjp<Op> | null } = {
  Add: (dy, _, [a, b]) => [sumTo(dy, a!.shape), sumTo(dy, b!.shape)],
  Sub: (dy, _, [a, b]) => [sumTo(dy, a!.shape), sumTo(neg(dy), b!.shape)],
  Mul: (dy, _, [a, b]) => [sumTo(mul(dy, b!), a!.shape), sumTo(mul(dy, a!), b!.shape)],
  Div: (dy, y, [a, b]) => [sumTo(div(dy, b!), a!.shape), sumTo(neg(div(mul(dy, y), b!)), b!.shape)],
  Neg: (dy) => [neg(dy)],
  Sqrt: (dy, y) => [div(dy, mul(y, 2))],
  Abs: (dy, _, [x]) => {
    const zero = ops.constant(x!.graph, 0)
    return [where(ops.less(0, x!), dy, where(ops.less(x!, 0), neg(dy), zero))]
  },
  Exp: (dy, y) => [mul(dy, y)],
  Log: (dy, _, [x]) => [div(dy, x!)],
  Sin: (dy, _, [x]) => [mul(dy, cos(x!))],
  Cos: (dy, _, [x]) => [neg(mul(dy, sin(x!)))],
  Tanh: (dy, y) => [mul(dy, sub(1, mul(y, y)))],
  Sigmoid: (dy, y) => [mul(dy, mul(y, sub(1, y)))], // σ' = σ(1 − σ)
  Relu: (dy, _, [x]) => [where(ops.less(0, x!), dy, ops.constant(x!.graph, 0))],
  LeakyRelu: (dy, _, [x], { alpha }) => [where(ops.less(0, x!), dy, mul(dy, alpha))],
  Erf: (dy, _, [x]) => [mul(dy, mul(exp(neg(mul(x!, x!))), 2 / Math.sqrt(Math.PI)))],
  // (x·Φ(x))' = Φ(x) + x·φ(x)
  Gelu: (dy, _, [x]) => {
    const phi = mul(exp(mul(mul(x!, x!), -0.5)), 1 / Math.sqrt(2 * Math.PI))
    const Phi = mul(add(ops.erf(mul(x!, Math.SQRT1_2)), 1), 0.5)
    return [mul(dy, add(Phi, mul(x!, phi)))]
  },
  // (x·σ(αx))' = s + αx·s·(1 − s)
  QuickGelu: (dy, y, [x], { alpha }) => {
    const s = sigmoid(mul(x!, alpha))
    return [mul(dy, add(s, mul(mul(y, alpha), sub(1, s))))]
  },
  Clip: (dy, _, [x], { min, max }) => {
    const zero = ops.constant(x!.graph, 0)
    return [where(ops.less(x!, min), zero, where(ops.less(max, x!), zero, dy))]
  },
  Equal: null,
  Less: null,
  Where: (dy, _, [condition, a, b]) => {
    const zero = ops.constant(dy.graph, 0)
    return [null, sumTo(where(condition!, dy, zero), a!.shape), sumTo(where(condition!, zero, dy), b!.shape)]
  },
  Cast: (dy, _, [x]) => [ops.cast(dy, x!.type)],

  MatMul: (dy, _, [a, b]) => productVjp(dy, a!, b!, { transA: false, transB: false, alpha: 1 }),
  FusedMatMul: (dy, _, [a, b], params) => productVjp(dy, a!, b!, params),
  Gemm: (dy, _, [x, weight, bias]) => [
    ops.matmul(dy, weight!),
    ops.fusedMatmul(dy, x!, { transA: true }),
    bias ? sumTo(dy, bias.shape) : null,
  ],
  Conv: (dy, _, inputs, params) => convVjp(dy, inputs, params),
  // Layouts are chosen after gradients are taken.
  BlockedConv: null,
  ReorderInput: null,
  ReorderOutput: null,
  Softmax: (dy, y, _, { axis }) => [mul(y, sub(dy, ops.reduceSum(mul(dy, y), [axis])))],
  LayerNormalization: (dy, _, [x, scale, bias], { epsilon }) => {
    const { normal, back } = normalised(x!, [-1], epsilon)
    return [back(mul(dy, scale!)), sumTo(mul(dy, normal), scale!.shape), sumTo(dy, bias!.shape)]
  },
  InstanceNormalization: (dy, _, [x, scale, bias], { epsilon }) => {
    const space = x!.shape.map((_, axis) => axis).slice(2)
    const { normal, back } = normalised(x!, space, epsilon)
    const perChannel = [scale!.shape[0]!, ...space.map(() => 1)]
    const sumChannels = (g: Value) => ops.reshape(sumTo(g, perChannel), scale!.shape)
    return [back(mul(dy, ops.reshape(scale!, perChannel))), sumChannels(mul(dy, normal)), bias ? sumChannels(dy) : null]
  },
  ReduceSum: (dy, _, [x]) => [ops.expand(dy, x!.shape)],
  ReduceMean: (dy, _, [x], { axes }) => [spreadMean(dy, x!, axes)],

  After: (dy) => [dy, null],
  Reshape: (dy, _, [x]) => [ops.reshape(dy, x!.shape)],
  Transpose: (dy, _, _x, { perm }) => [ops.transpose(dy, inverse(perm))],
  Concat: (dy, _, parts, { axis }) => {
    const at = axis < 0 ? axis + dy.shape.length : axis
    let start: Shape[number] = 0
    return parts.map((part) => {
      const end = addDims(start, part.shape[at]!)
      const mine = ops.slice(dy, at, start, end)
      start = end
      return mine
    })
  },
  Slice: (dy, _, [x], { axis, start, step }) => {
    const at = axis < 0 ? axis + x!.shape.length : axis
    const spread = dilate(dy, at, step)
    const rest = addDims(x!.shape[at]!, mulDims(-1, addDims(start, spread.shape[at]!)))
    const beside = (dim: Shape[number]) =>
      zerosOf(
        x!,
        x!.shape.map((old, i) => (i === at ? dim : old)),
      )
    const parts = [...(start === 0 ? [] : [beside(start)]), spread, ...(rest === 0 ? [] : [beside(rest)])]
    return [parts.length === 1 ? spread : ops.concat(parts, at)]
  },
  Expand: (dy, _, [x]) => [sumTo(dy, x!.shape)],
  Pad: (dy, _, [x], { before, after, mode }) => [
    before.reduce((g, width, axis) => unpad(g, x!, axis, width, after[axis]!, mode), dy),
  ],
  Gather: (dy, _, [x, indices], { axis }) => {
    const at = axis < 0 ? axis + x!.shape.length : axis
    const count = mulDims(...indices!.shape)
    const flat = ops.reshape(dy, [...x!.shape.slice(0, at), count, ...x!.shape.slice(at + 1)])
    const along = x!.shape.map((_, i) => (i === at ? count : 1))
    const places = ops.expand(ops.reshape(indices!, along), flat.shape)
    return [ops.scatterElements(zerosOf(x!, x!.shape), places, flat, { axis: at, reduction: 'add' }), null]
  },
  GatherElements: (dy, _, [x, indices], { axis }) => [
    ops.scatterElements(zerosOf(x!, x!.shape), indices!, dy, { axis, reduction: 'add' }),
    null,
  ],
  ScatterElements: (dy, _, [, indices, updates], { axis, reduction }) => [
    reduction === 'add'
      ? dy
      : ops.scatterElements(dy, indices!, zerosOf(dy, updates!.shape), { axis, reduction: 'none' }),
    null,
    ops.gatherElements(dy, indices!, axis),
  ],
  ArgMax: null,
  TopK: (dy, y, [x], { axis }) => {
    const indices = y.source.kind === 'node' ? y.source.node.outputs[1]! : null
    return [ops.scatterElements(zerosOf(x!, x!.shape), indices!, dy, { axis, reduction: 'add' })]
  },
  Resize: (dy, _, [x], { scale }) => {
    const [batch, channels, height, width] = x!.shape
    const cells = ops.reshape(dy, [batch!, channels!, height!, scale, width!, scale])
    return [ops.reshape(ops.reduceSum(cells, [3, 5]), x!.shape)]
  },

  MultiHeadAttention: (dy, _, inputs, params) => attentionVjp(dy, inputs, params),
}

/** For y = α·A·B, dA = α·dy·Bᵀ and dB = α·Aᵀ·dy, where A and B are a and b or these transposed. */
function productVjp(
  dy: Value,
  a: Value,
  b: Value,
  { transA, transB, alpha }: OpParams['FusedMatMul'],
): readonly Value[] {
  const da = transA
    ? ops.fusedMatmul(b, dy, { transA: transB, transB: true, alpha })
    : ops.fusedMatmul(dy, b, { transB: !transB, alpha })
  const db = transB
    ? ops.fusedMatmul(dy, a, { transA: true, transB: transA, alpha })
    : ops.fusedMatmul(a, dy, { transA: !transA, alpha })
  return [sumTo(da, a.shape), sumTo(db, b.shape)]
}

function inverse(perm: readonly number[]): readonly number[] {
  return perm.map((_, axis) => perm.indexOf(axis))
}

/**
 * x̂ = (x − μ)/√(σ² + ε) over some axes, and the way back through it (Ioffe and Szegedy 2015):
 * g ↦ (g − mean g − x̂·mean(g·x̂))/√(σ² + ε).
 */
function normalised(x: Value, axes: readonly number[], epsilon: number) {
  const centred = sub(x, ops.reduceMean(x, axes))
  const deviation = sqrt(add(ops.reduceMean(mul(centred, centred), axes), epsilon))
  const normal = div(centred, deviation)
  const back = (g: Value) => {
    const along = mul(normal, ops.reduceMean(mul(g, normal), axes))
    return div(sub(sub(g, ops.reduceMean(g, axes)), along), deviation)
  }
  return { normal, back }
}

/** The gradient inside a frame on one axis; what wrapped around is added where it came from. */
function unpad(dy: Value, x: Value, axis: number, before: number, after: number, mode: 'constant' | 'wrap'): Value {
  if (before === 0 && after === 0) return dy
  const length = x.shape[axis]!
  const cut = (value: Value, start: Shape[number], end: Shape[number]) => ops.slice(value, axis, start, end)
  const inside = cut(dy, before, addDims(before, length))
  if (mode === 'constant') return inside

  const last = addDims(length, -before)
  const parts: Value[] = []
  if (after > 0) {
    const wrapped = cut(dy, addDims(before, length), addDims(before + after, length))
    parts.push(add(cut(inside, 0, after), wrapped))
  }
  parts.push(cut(inside, after, last))
  if (before > 0) parts.push(add(cut(inside, last, length), cut(dy, 0, before)))
  return ops.concat(parts, axis)
}
