import { sameShape } from './shape.ts'
import type { Tensor } from './tensor.ts'

/** Σ aᵢ·xᵢ over tensors of one shape: the samplers' whole arithmetic. Sums in float64, stores float32. */
export function combine(...terms: readonly (readonly [number, Tensor])[]): Tensor {
  const first = terms[0]?.[1]
  if (!first) throw new Error('internal: combine of nothing')
  // Term by term, so that the inner loop is one the engine compiles well whatever the number of terms.
  const sums = new Float64Array(first.data.length)
  for (const [a, { shape, data }] of terms) {
    if (!sameShape(shape, first.shape)) throw new Error(`internal: combine of [${first.shape}] and [${shape}]`)
    for (let i = 0; i < sums.length; i++) sums[i]! += a * data[i]!
  }
  return { shape: first.shape, data: new Float32Array(sums) }
}
