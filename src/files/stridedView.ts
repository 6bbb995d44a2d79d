/** Whether strides (in elements) are those of row-major order; a dimension of 1 may have any. */
export function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false
    expected *= shape[axis]!
  }
  return true
}

/** Index of the farthest element of a view that has any. */
export function lastElement(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((index, dim, axis) => index + (dim - 1) * strides[axis]!, 0)
}

/** The elements of a strided view, each `width` bytes, in row-major order. `source` starts at the view's first element. */
export function bytesOfView(
  source: Uint8Array,
  shape: readonly number[],
  strides: readonly number[],
  width: number,
): Uint8Array {
  const gathered = new Uint8Array(shape.reduce((product, dim) => product * dim, width))
  let to = 0
  const copy = (axis: number, from: number): void => {
    if (axis === shape.length) {
      for (let i = 0; i < width; i++) gathered[to++] = source[from + i]!
      return
    }
    for (let index = 0; index < shape[axis]!; index++) copy(axis + 1, from + index * strides[axis]! * width)
  }
  copy(0, 0)
  return gathered
}
