import { mulDims, type Shape, sameDim } from './dim.ts'
import { constant, div, expand, mul, reduceSum, reshape } from './ops.ts'
import type { Value } from './value.ts'

/** Undoes broadcasting: sums dy over every axis that stretched `shape` to dy's. */
export function sumTo(dy: Value, shape: Shape): Value {
  const added = dy.shape.length - shape.length
  const stretched = dy.shape.flatMap((dim, axis) =>
    axis < added || (shape[axis - added] === 1 && !sameDim(dim, 1)) ? [axis] : [],
  )
  return reshape(stretched.length === 0 ? dy : reduceSum(dy, stretched), shape)
}

/** Zeros of a shape. */
export function zerosOf(like: Value, shape: Shape): Value {
  return expand(constant(like.graph, 0), shape)
}

/** dy of a mean over `axes` spread over what was averaged. */
export function spreadMean(dy: Value, x: Value, axes: readonly number[]): Value {
  const count = mulDims(...axes.map((axis) => x.shape.at(axis)!))
  if (typeof count === 'number') return mul(expand(dy, x.shape), 1 / count)
  const ones = expand(constant(x.graph, 1), x.shape)
  return div(expand(dy, x.shape), reduceSum(ones, axes))
}
