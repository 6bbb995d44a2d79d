import { sizeOf } from './shape.ts'

/**
 * An eager float32 array with a shape, row-major: what samplers, masks and metrics compute with.
 * Latents and pictures are [batch, channels, height, width].
 */
export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Wraps numbers as a tensor; one dimension unless a shape is given. A Float32Array is not copied. */
export function tensor(values: Float32Array | readonly number[], shape: readonly number[] = [values.length]): Tensor {
  const data = values instanceof Float32Array ? values : Float32Array.from(values)
  if (sizeOf(shape) !== data.length) {
    throw new Error(`internal: shape [${shape}] holds ${sizeOf(shape)} numbers, ${data.length} were given`)
  }
  return { shape, data }
}

/** A tensor of zeros. */
export function zeros(shape: readonly number[]): Tensor {
  return { shape, data: new Float32Array(sizeOf(shape)) }
}

/** Items `from` (inclusive) to `to` (exclusive) along the first dimension, as a view of the same memory. */
export function rows(x: Tensor, from: number, to: number): Tensor {
  const stride = x.data.length / x.shape[0]!
  return { shape: [to - from, ...x.shape.slice(1)], data: x.data.subarray(from * stride, to * stride) }
}

/** Tensors of equal inner shape joined along the first dimension. */
export function stack(parts: readonly Tensor[]): Tensor {
  const first = parts[0]
  if (!first) throw new Error('internal: stack of nothing')
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let offset = 0
  for (const part of parts) {
    data.set(part.data, offset)
    offset += part.data.length
  }
  return { shape: [parts.reduce((sum, part) => sum + part.shape[0]!, 0), ...first.shape.slice(1)], data }
}
