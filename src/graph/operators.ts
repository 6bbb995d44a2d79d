import type { Dim, Shape } from './dim.ts'
import type { ElementType } from './valueType.ts'

/** An operator without parameters. */
type None = Readonly<Record<never, never>>

/**
 * Every operator a graph may contain, with its parameters. Names are ONNX's; the last group belongs to ONNX
 * Runtime's `com.microsoft` domain. Shapes that ONNX passes as tensors are dimensions here, and become tensors only
 * when the graph is written. A table typed `{ [op in OpName]: … }` is checked by the compiler to be complete.
 */
export interface OpParams {
  Add: None
  Sub: None
  Mul: None
  Div: None
  Neg: None
  Sqrt: None
  Abs: None
  Exp: None
  Log: None
  Sin: None
  Cos: None
  Tanh: None
  Sigmoid: None
  Relu: None
  LeakyRelu: { readonly alpha: number }
  Erf: None
  Gelu: None
  Clip: { readonly min: number; readonly max: number }
  Equal: None
  Less: None
  Where: None
  Cast: { readonly to: ElementType }

  MatMul: None
  /** alpha·a·b over the last two axes, either side with them exchanged: a `com.microsoft` operator. */
  FusedMatMul: { readonly transA: boolean; readonly transB: boolean; readonly alpha: number }
  /** x·wᵀ + bias. */
  Gemm: None
  Conv: {
    readonly stride: number
    /** Zeros added to [top, left, bottom, right]. */
    readonly pads: readonly [number, number, number, number]
    readonly groups: number
  }
  Softmax: { readonly axis: number }
  /** Over the last axis. */
  LayerNormalization: { readonly epsilon: number }
  InstanceNormalization: { readonly epsilon: number }
  ReduceSum: { readonly axes: readonly number[] }
  ReduceMean: { readonly axes: readonly number[] }

  /** x, once another value is there; ONNX has no such operator, and gets it as a reshape by what it must wait for. */
  After: None
  Reshape: { readonly shape: Shape }
  Transpose: { readonly perm: readonly number[] }
  Concat: { readonly axis: number }
  Slice: { readonly axis: number; readonly start: Dim; readonly end: Dim; readonly step: number }
  Expand: { readonly shape: Shape }
  Pad: { readonly before: readonly number[]; readonly after: readonly number[]; readonly mode: 'constant' | 'wrap' }
  Gather: { readonly axis: number }
  GatherElements: { readonly axis: number }
  ScatterElements: { readonly axis: number; readonly reduction: 'none' | 'add' }
  ArgMax: { readonly axis: number }
  TopK: { readonly axis: number; readonly k: number }
  /** Nearest neighbour, by whole factors on the last two axes. */
  Resize: { readonly scale: number }

  MultiHeadAttention: { readonly heads: number; readonly isCausal: boolean }
  /** x·σ(alpha·x). */
  QuickGelu: { readonly alpha: number }

  /**
   * ONNX Runtime's own convolution, whose picture and weight have their channels in blocks, and the ways into and
   * out of that order of numbers; shapes stay those of Conv. The runtime floor puts these in, no model does.
   */
  BlockedConv: ConvParams
  ReorderInput: None
  ReorderOutput: { readonly channels: number }
}

export type OpName = keyof OpParams

export type ConvParams = OpParams['Conv']
