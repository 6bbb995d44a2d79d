import type { Shape } from '../graph/dim.ts'
import { mulDims } from '../graph/dim.ts'
import { conv, gemm, pad, reshape } from '../graph/ops.ts'
import { numberAt, type Value } from '../graph/value.ts'
import type { LayerSite, Scope } from './scope.ts'

/** x·Wᵀ + b over the last axis: x […, in] → […, out]. Weights `weight` [out, in] and, unless told, `bias` [out]. */
export function linear(scope: Scope, x: Value, { out, hasBias = true }: { out: number; hasBias?: boolean }): Value {
  const features = numberAt(x, -1)
  const weightShape = [out, features]
  const weight = scope.weight('weight', weightShape, x)
  const bias = hasBias ? scope.weight('bias', [out]) : null

  const rest: Shape = x.shape.slice(0, -1)
  const y = reshape(gemm(reshape(x, [mulDims(...rest), features]), weight, bias), [...rest, out])
  return adapted(scope, { path: scope.path, kind: 'linear', weightShape, stride: 1, padding: 0 }, x, y)
}

export interface Conv2dOptions {
  readonly out: number
  readonly kernel: number
  readonly stride?: number
  /** Points added on every side; half the kernel unless told, which keeps the size at stride 1. */
  readonly padding?: number
  readonly hasBias?: boolean
}

/**
 * Convolution of x [B, in, H, W] → [B, out, H', W']. Weights `weight` [out, in, kernel, kernel] and, unless told,
 * `bias` [out].
 */
export function conv2d(scope: Scope, x: Value, options: Conv2dOptions): Value {
  const { out, kernel, stride = 1, padding = kernel >> 1, hasBias = true } = options
  const weightShape = [out, numberAt(x, 1), kernel, kernel]
  const weight = scope.weight('weight', weightShape, x)
  const bias = hasBias ? scope.weight('bias', [out]) : null

  const wraps = scope.emit.padding === 'circular' && padding > 0
  const inside = wraps ? wrapped(x, padding) : x
  const zeros = wraps ? 0 : padding
  const y = conv(inside, weight, bias, { stride, pads: [zeros, zeros, zeros, zeros], groups: 1 })
  return adapted(scope, { path: scope.path, kind: 'conv', weightShape, stride, padding: zeros }, inside, y)
}

/** A picture continued beyond each edge by what lies inside the opposite one. */
function wrapped(x: Value, points: number): Value {
  const around = [0, 0, points, points]
  return pad(x, { before: around, after: around, mode: 'wrap' })
}

function adapted(scope: Scope, site: LayerSite, x: Value, y: Value): Value {
  return scope.adapter ? scope.adapter(site, x, y) : y
}
