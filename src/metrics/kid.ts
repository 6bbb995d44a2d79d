import type { Tensor } from '../tensor/tensor.ts'
import { byHalves, type Measured } from './interval.ts'

/**
 * Kernel inception distance (Bińkowski et al. 2018): the unbiased estimate of the squared maximum mean discrepancy of
 * two sets of vectors [N, D] and [M, D] under the kernel (x·y/D + 1)³. Vectors are brought to the length √D first, as
 * those of different evaluators have different lengths.
 */
export function kernelDistance(a: Tensor, b: Tensor): Measured {
  const both = [...unitRows(a), ...unitRows(b)]
  const [n, m] = [a.shape[0]!, b.shape[0]!]
  const kernel = both.map((x) => Float64Array.from(both, (y) => (dot(x, y) + 1) ** 3))
  return byHalves([n, m], ([first, second]) => {
    const others = second!.map((i) => n + i)
    return within(kernel, first!) + within(kernel, others) - 2 * across(kernel, first!, others)
  })
}

/** Mean over all pairs of different ones. */
function within(kernel: readonly Float64Array[], numbers: readonly number[]): number {
  let sum = 0
  for (const i of numbers) for (const j of numbers) if (i !== j) sum += kernel[i]![j]!
  return sum / (numbers.length * (numbers.length - 1))
}

function across(kernel: readonly Float64Array[], first: readonly number[], second: readonly number[]): number {
  let sum = 0
  for (const i of first) for (const j of second) sum += kernel[i]![j]!
  return sum / (first.length * second.length)
}

function unitRows({ shape, data }: Tensor): readonly Float32Array[] {
  const [count, width] = shape as [number, number]
  return Array.from({ length: count }, (_, i) => {
    const row = data.subarray(i * width, (i + 1) * width)
    const length = Math.sqrt(dot(row, row))
    return row.map((x) => x / length)
  })
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
