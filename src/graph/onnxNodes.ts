import { addDims, type Dim, mulDims, type Shape, sameDim } from './dim.ts'
import type { ConvParams, OpName, OpParams } from './operators.ts'
import type { Value } from './value.ts'
import type { ElementType } from './valueType.ts'

/** What ONNX calls an attribute. Whole numbers are ints unless wrapped as `{ float }`. */
export type Attribute = number | string | readonly number[] | { readonly float: number }

/** An operator as ONNX writes it. */
export interface OnnxNode {
  readonly domain?: 'com.microsoft' | 'com.microsoft.nchwc'
  /** ONNX's name where it is not the graph's. */
  readonly type?: string
  readonly attributes: Readonly<Record<string, Attribute>>
  /** How many of the operator's own inputs ONNX is given; all unless told. */
  readonly own?: number
  /** Names of tensors after the operator's own inputs. */
  readonly extra: readonly string[]
}

/** Makes the tensors that ONNX wants where a graph has parameters, and returns their names. */
export interface Tensors {
  integers(values: readonly (number | bigint)[]): string
  floats(values: readonly number[], shape: readonly number[]): string
  /** A shape as an int64 vector, computed from the graph's inputs where it is open. */
  dims(shape: Shape): string
  /** The same vector, which the runtime knows only once a value is there. */
  dimsAfter(shape: Shape, done: Value): string
}

type Lower<Op extends OpName> = (params: OpParams[Op], inputs: readonly (Value | null)[], tensors: Tensors) => OnnxNode

/** An operator with its parameters as attributes and further inputs. */
export function lower<Op extends OpName>(
  op: Op,
  params: OpParams[Op],
  inputs: readonly (Value | null)[],
  tensors: Tensors,
): OnnxNode {
  return table[op](params, inputs, tensors)
}

/** ONNX's numbers for element types (TensorProto.DataType). */
export const elementCodes: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e5m2: 19,
}

const toTheEnd = 2n ** 63n - 1n

/** One rule per operator, for opset 21 and `com.microsoft` 1. */
const table: { readonly [Op in OpName]: Lower<Op> } = {
  Add: plain,
  Sub: plain,
  Mul: plain,
  Div: plain,
  Neg: plain,
  Sqrt: plain,
  Abs: plain,
  Exp: plain,
  Log: plain,
  Sin: plain,
  Cos: plain,
  Tanh: plain,
  Sigmoid: plain,
  Relu: plain,
  LeakyRelu: ({ alpha }) => attributes({ alpha: { float: alpha } }),
  Erf: plain,
  Gelu: plain,
  Clip: ({ min, max }, _, tensors) => extra([tensors.floats([min], []), tensors.floats([max], [])]),
  Equal: plain,
  Less: plain,
  Where: plain,
  Cast: ({ to }) => attributes({ to: elementCodes[to] }),

  MatMul: plain,
  FusedMatMul: ({ transA, transB, alpha }) => ({
    domain: 'com.microsoft',
    attributes: { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } },
    extra: [],
  }),
  Gemm: () => attributes({ transB: 1 }),
  Conv: convolution,
  Softmax: attributes,
  LayerNormalization: ({ epsilon }) => attributes({ axis: -1, epsilon: { float: epsilon } }),
  InstanceNormalization: ({ epsilon }) => attributes({ epsilon: { float: epsilon } }),
  ReduceSum: reduction,
  ReduceMean: reduction,

  After: (_, [x, done], tensors) => ({
    ...extra([tensors.dimsAfter(x!.shape, done!)]),
    type: 'Reshape',
    own: 1,
  }),
  Reshape: ({ shape }, [x], tensors) => extra([reshapeTarget(shape, x!.shape, tensors)]),
  Transpose: attributes,
  Concat: attributes,
  Slice({ axis, start, end, step }, [x], tensors) {
    const dim = x!.shape.at(axis)!
    const bounds = [
      bound(start, dim, tensors),
      sameDim(end, dim) ? tensors.integers([toTheEnd]) : bound(end, dim, tensors),
    ]
    return extra([...bounds, tensors.integers([axis]), tensors.integers([step])])
  },
  Expand: ({ shape }, _, tensors) => extra([tensors.dims(shape)]),
  Pad: ({ before, after, mode }, _, tensors) => ({
    attributes: { mode },
    extra: [tensors.integers([...before, ...after])],
  }),
  Gather: attributes,
  GatherElements: attributes,
  ScatterElements: attributes,
  ArgMax: attributes,
  TopK: ({ axis, k }, _, tensors) => ({ attributes: { axis }, extra: [tensors.integers([k])] }),
  Resize: ({ scale }, _, tensors) => ({
    attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    extra: ['', tensors.floats([1, 1, scale, scale], [4])],
  }),

  MultiHeadAttention: ({ heads, isCausal }) => ({
    domain: 'com.microsoft',
    attributes: { num_heads: heads, unidirectional: isCausal ? 1 : 0 },
    extra: [],
  }),
  QuickGelu: ({ alpha }) => ({ domain: 'com.microsoft', attributes: { alpha: { float: alpha } }, extra: [] }),

  BlockedConv: (params) => ({ ...convolution(params), domain: 'com.microsoft.nchwc', type: 'Conv' }),
  ReorderInput: () => ({ ...plain(), domain: 'com.microsoft.nchwc' }),
  ReorderOutput: (params) => ({ ...attributes(params), domain: 'com.microsoft.nchwc' }),
}

function plain(): OnnxNode {
  return { attributes: {}, extra: [] }
}

function attributes(params: Readonly<Record<string, Attribute>>): OnnxNode {
  return { attributes: params, extra: [] }
}

function convolution({ stride, pads, groups }: ConvParams): OnnxNode {
  return attributes({ strides: [stride, stride], pads, group: groups })
}

function extra(names: readonly string[]): OnnxNode {
  return { attributes: {}, extra: names }
}

function reduction({ axes }: { readonly axes: readonly number[] }, _: unknown, tensors: Tensors): OnnxNode {
  return extra([tensors.integers(axes)])
}

/**
 * A reshape's target as numbers wherever ONNX can work out the rest: 0 copies the dimension at the same place of x,
 * and −1, once, is what remains.
 */
function reshapeTarget(shape: Shape, from: Shape, tensors: Tensors): string {
  const open = shape.map((dim, axis) => (typeof dim === 'number' ? dim : sameDim(dim, from[axis] ?? 0) ? 0 : -1))
  const isKnown = open.filter((dim) => dim === -1).length <= 1 && !shape.includes(0)
  return isKnown ? tensors.integers(open) : tensors.dims(shape)
}

/** A slice's bound on an axis of open size, as a number counted from the end where it is near there. */
function bound(at: Dim, dim: Dim, tensors: Tensors): string {
  if (typeof at === 'number') return tensors.integers([at])
  const fromEnd = addDims(at, mulDims(-1, dim))
  return typeof fromEnd === 'number' && fromEnd < 0 ? tensors.integers([fromEnd]) : tensors.dims([at])
}
