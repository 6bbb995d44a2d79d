import type { WeightSource } from '../../src/nn/scope.ts'
import { sizeOf } from '../../src/tensor/shape.ts'
import { type Tensor, tensor } from '../../src/tensor/tensor.ts'

/** Uniform in [−1, 1), a function of a name and the position alone: `numbers` of scripts/goldens/numbered.py. */
export function numbers(name: string, shape: readonly number[]): Tensor {
  let seed = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193)
  const values = new Float32Array(sizeOf(shape))
  for (let i = 0; i < values.length; i++) {
    let h = (Math.imul(i, 0x9e3779b1) + seed) | 0
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    values[i] = ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1
  }
  return tensor(values, shape)
}

/** A checkpoint that has whatever is asked for, in whatever shape: `weight` of scripts/goldens/numbered.py. */
export const numberedWeights: WeightSource = {
  get(name, shape) {
    const { data } = numbers(name, shape)
    const isNorm = shape.length === 1 && !name.endsWith('bias')
    const scale = shape.length === 1 ? 0.2 : Math.fround(Math.sqrt(3 / sizeOf(shape.slice(1))))
    const values = data.map((u) => Math.fround(u * scale) + (isNorm ? 1 : 0))
    const bytes = new Uint8Array(values.buffer)
    return { name, dtype: 'F32', shape, sizeBytes: bytes.length, location: { bytes } }
  },
}
