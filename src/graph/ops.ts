import { type Dim, type Shape, sameDims } from './dim.ts'
import type { ConvParams, OpName, OpParams } from './operators.ts'
import { dimAt, type Graph, type Value } from './value.ts'
import type { ElementType } from './valueType.ts'

/** A value, or a number that stands for a float32 constant. */
type Operand = Value | number

/** a + b, broadcast. */
export const add = (a: Operand, b: Operand) => binary('Add', a, b)

/** a − b, broadcast. */
export const sub = (a: Operand, b: Operand) => binary('Sub', a, b)

/** a · b, broadcast. */
export const mul = (a: Operand, b: Operand) => binary('Mul', a, b)

/** a / b, broadcast. */
export const div = (a: Operand, b: Operand) => binary('Div', a, b)

/** −x. */
export const neg = (x: Value) => one('Neg', [x], {})

/** √x. */
export const sqrt = (x: Value) => one('Sqrt', [x], {})

/** |x|, whose derivative at 0 is taken to be 0. */
export const abs = (x: Value) => one('Abs', [x], {})

/** eˣ. */
export const exp = (x: Value) => one('Exp', [x], {})

/** The natural logarithm. */
export const log = (x: Value) => one('Log', [x], {})

/** Sine of radians. */
export const sin = (x: Value) => one('Sin', [x], {})

/** Cosine of radians. */
export const cos = (x: Value) => one('Cos', [x], {})

/** Hyperbolic tangent. */
export const tanh = (x: Value) => one('Tanh', [x], {})

/** 1 / (1 + e⁻ˣ). */
export const sigmoid = (x: Value) => one('Sigmoid', [x], {})

/** max(x, 0). */
export const relu = (x: Value) => one('Relu', [x], {})

/** x where positive, alpha · x elsewhere. */
export const leakyRelu = (x: Value, alpha: number) => one('LeakyRelu', [x], { alpha })

/** The error function. */
export const erf = (x: Value) => one('Erf', [x], {})

/** x · Φ(x), with the exact normal distribution function. */
export const gelu = (x: Value) => one('Gelu', [x], {})

/** x · σ(alpha · x): SiLU for alpha 1, CLIP's approximation of GELU for 1.702. A `com.microsoft` operator. */
export const quickGelu = (x: Value, alpha: number) => one('QuickGelu', [x], { alpha })

/**
 * A convolution with blocked picture and weight, added to `sum`, a blocked picture of the result's shape; like its
 * neighbours, for the runtime floor.
 */
export const blockedConv = (
  x: Value,
  weight: Value,
  bias: Value | null,
  params: ConvParams,
  sum: Value | null = null,
) => one('BlockedConv', sum ? [x, weight, bias, sum] : [x, weight, bias], params)

/** A picture with its channels in the runtime's blocks. */
export const reorderInput = (x: Value) => one('ReorderInput', [x], {})

/** A picture whose blocks hold `channels` channels, in the plain order. */
export const reorderOutput = (x: Value, channels: number) => one('ReorderOutput', [x], { channels })

/** x within [min, max]. */
export const clip = (x: Value, min: number, max: number) => one('Clip', [x], { min, max })

/** Whether a = b, as bool. */
export const equal = (a: Operand, b: Operand) => binary('Equal', a, b)

/** Whether a < b, as bool. */
export const less = (a: Operand, b: Operand) => binary('Less', a, b)

/** `a` where the condition holds, otherwise `b`; broadcast. */
export const where = (condition: Value, a: Value, b: Value) => one('Where', [condition, a, b], {})

/** x in another element type; itself where it has that type already. */
export const cast = (x: Value, to: ElementType) => (x.type === to ? x : one('Cast', [x], { to }))

/** Matrix product over the last two axes, the others broadcast. */
export const matmul = (a: Value, b: Value) => one('MatMul', [a, b], {})

/** alpha·a·b like `matmul`, with the last two axes of either side exchanged while it is read. */
export const fusedMatmul = (
  a: Value,
  b: Value,
  { transA = false, transB = false, alpha = 1 }: Partial<OpParams['FusedMatMul']>,
) => one('FusedMatMul', [a, b], { transA, transB, alpha })

/** x·wᵀ + bias: x [rows, in], weight [out, in], bias [out] → [rows, out]. */
export const gemm = (x: Value, weight: Value, bias: Value | null) => one('Gemm', [x, weight, bias], {})

/** Cross-correlation: x [B, in, H, W], weight [out, in / groups, kh, kw], bias [out]. */
export const conv = (x: Value, weight: Value, bias: Value | null, params: ConvParams) =>
  one('Conv', [x, weight, bias], params)

/** eˣ normalised to sum 1 along an axis. */
export const softmax = (x: Value, axis: number) => one('Softmax', [x], { axis })

/** (x − mean) / √(variance + epsilon) over the last axis, then scale and bias [features]. */
export const layerNormalization = (x: Value, scale: Value, bias: Value, epsilon: number) =>
  one('LayerNormalization', [x, scale, bias], { epsilon })

/** (x − mean) / √(variance + epsilon) over all but the first two axes, then scale and bias [channels]. */
export const instanceNormalization = (x: Value, scale: Value, bias: Value, epsilon: number) =>
  one('InstanceNormalization', [x, scale, bias], { epsilon })

/** Sum over axes, which stay with dimension 1. */
export const reduceSum = (x: Value, axes: readonly number[]) => one('ReduceSum', [x], { axes })

/** Mean over axes, which stay with dimension 1. */
export const reduceMean = (x: Value, axes: readonly number[]) => one('ReduceMean', [x], { axes })

/** The same numbers in the same order under another shape. */
export const reshape = (x: Value, shape: Shape) => (sameDims(x.shape, shape) ? x : one('Reshape', [x], { shape }))

/** Axes reordered: output axis i is input axis perm[i]. */
export const transpose = (x: Value, perm: readonly number[]) => one('Transpose', [x], { perm })

/** Values joined along an axis. */
export const concat = (parts: readonly Value[], axis: number) => one('Concat', parts, { axis })

/** Elements `start` (inclusive) to `end` (exclusive) along an axis. */
export const slice = (x: Value, axis: number, start: Dim, end: Dim = dimAt(x, axis), step = 1) =>
  one('Slice', [x], { axis, start, end, step })

/** x broadcast to a shape. */
export const expand = (x: Value, shape: Shape) => (sameDims(x.shape, shape) ? x : one('Expand', [x], { shape }))

/** Elements added before and after each axis: zeros, or the other end of the axis for `wrap`. */
export const pad = (x: Value, params: OpParams['Pad']) => one('Pad', [x], params)

/** Slices of x along an axis by number: rows of a table for axis 0. */
export const gather = (x: Value, indices: Value, axis: number) => one('Gather', [x, indices], { axis })

/** y[…, i, …] = x[…, indices[…, i, …], …] along an axis. */
export const gatherElements = (x: Value, indices: Value, axis: number) => one('GatherElements', [x, indices], { axis })

/** x with updates put, or added, at the given places along an axis. */
export const scatterElements = (x: Value, indices: Value, updates: Value, params: OpParams['ScatterElements']) =>
  one('ScatterElements', [x, indices, updates], params)

/** Where the largest element along an axis is, the first of equals; the axis stays with dimension 1. */
export const argMax = (x: Value, axis: number) => one('ArgMax', [x], { axis })

/** The k largest along an axis in descending order, and where they were. */
export function topK(x: Value, axis: number, k: number): { readonly values: Value; readonly indices: Value } {
  const [values, indices] = x.graph.append('TopK', [x], { axis, k })
  return { values: values!, indices: indices! }
}

/** Each pixel of [B, C, H, W] repeated scale × scale times. */
export const upsampleNearest = (x: Value, scale: number) => one('Resize', [x], { scale })

/**
 * softmax(q·kᵀ/√d)·v per head, heads side by side in the features: query [B, T, C], key and value [B, S, C] →
 * [B, T, C]. Causal: token t sees tokens 0 to t. A `com.microsoft` operator that never stores the score matrix.
 */
export const multiHeadAttention = (query: Value, key: Value, value: Value, params: OpParams['MultiHeadAttention']) =>
  one('MultiHeadAttention', [query, key, value], params)

/** A float32 constant; shape [] for a number. */
export function constant(graph: Graph, numbers: number | Float32Array, shape: readonly number[] = []): Value {
  return graph.constant(typeof numbers === 'number' ? Float32Array.of(numbers) : numbers, shape)
}

/** An int64 constant, for indices. */
export function integers(graph: Graph, numbers: readonly number[], shape: readonly number[] = [numbers.length]): Value {
  return graph.constant(BigInt64Array.from(numbers, BigInt), shape)
}

function binary(op: 'Add' | 'Sub' | 'Mul' | 'Div' | 'Equal' | 'Less', a: Operand, b: Operand): Value {
  const graph = typeof a === 'number' ? (typeof b === 'number' ? undefined : b.graph) : a.graph
  if (!graph) throw new Error(`internal: ${op} of two numbers`)
  const value = (x: Operand) => (typeof x === 'number' ? constant(graph, x) : x)
  return one(op, [value(a), value(b)], {})
}

function one<Op extends OpName>(op: Op, inputs: readonly (Value | null)[], params: OpParams[Op]): Value {
  const graph = inputs.find((input) => input !== null)?.graph
  if (!graph) throw new Error(`internal: ${op} of nothing`)
  return graph.append(op, inputs, params)[0]!
}
