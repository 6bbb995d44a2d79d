import { sameShape } from './shape.ts'
import type { Tensor } from './tensor.ts'

/** Σ aᵢ·xᵢ over tensors of one shape: the samplers' whole arithmetic. Sums in float64, stores float32. */
export function combine(...terms: readonly (readonly [number, Tensor])[]): Tensor {
  const first = terms[0]?.[1]
  if (!first) throw new Error('internal: combine of nothing')
  for (const [, x] of terms) {
    if (!sameShape(x.shape, first.shape)) throw new Error(`internal: combine of [${first.shape}] and [${x.shape}]`)
  }
  const data = new Float32Array(first.data.length)
  for (let i = 0; i < data.length; i++) {
    let sum = 0
    for (const [a, x] of terms) sum += a * x.data[i]!
    data[i] = sum
  }
  return { shape: first.shape, data }
}
