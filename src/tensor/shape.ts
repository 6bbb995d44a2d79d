/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1)
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis])
}

/** Whether two shapes differ at most in trailing dimensions of 1, and so hold the same numbers in the same order. */
export function sameButTrailingOnes(a: readonly number[], b: readonly number[]): boolean {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => axis).every((axis) => (a[axis] ?? 1) === (b[axis] ?? 1))
}
