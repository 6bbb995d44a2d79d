import type { Tensor } from '../tensor/tensor.ts'
import type { EmphasisMode } from './emphasis.ts'

/**
 * Weighs an encoder's output: `z` [B, tokens, width] times each token's weight, `weights` [B][tokens]. Mode
 * Original then brings the mean over the whole batch, padding and all, back to what it was; so what is
 * encoded together belongs together. The modes Ignore and None leave `z` alone.
 */
export function applyEmphasis(z: Tensor, weights: readonly (readonly number[])[], mode: EmphasisMode): Tensor {
  const flat = weights.flat()
  if (mode === 'Ignore' || mode === 'None' || flat.every((weight) => weight === 1)) return z
  const width = z.data.length / flat.length

  const data = z.data.map((value, i) => value * flat[Math.floor(i / width)]!)
  if (mode === 'Original') {
    const gain = mean(z.data) / mean(data)
    for (let i = 0; i < data.length; i++) data[i]! *= gain
  }
  return { shape: z.shape, data }
}

function mean(values: Float32Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}
