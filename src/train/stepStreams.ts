import { createHash } from 'node:crypto'
import type { Tensor } from '../tensor/tensor.ts'
import type { Posterior } from './posteriorCache.ts'

/** A stream of its own for each part of each step. */
export function streamKey(seed: number, step: number, part: number): bigint {
  return (BigInt(seed) << 48n) | (BigInt(step) << 16n) | BigInt(part)
}

/** A stream of its own for each picture, the same all through a run. */
export function frozenKey(seed: number, path: string): bigint {
  const digest = createHash('sha256').update(`${seed} ${path}`).digest()
  return digest.readBigUInt64LE()
}

/** Scaled latents [B, C, H, W] drawn from what the autoencoder makes of pictures of one size, `noiseOf` each [C, H, W]. */
export function sampledLatents(
  posteriors: readonly Posterior[],
  scaleFactor: number,
  noiseOf: (i: number) => Tensor,
): Tensor {
  const shape = [posteriors.length, ...posteriors[0]!.mean.shape]
  const size = posteriors[0]!.mean.data.length
  const data = new Float32Array(posteriors.length * size)
  for (const [i, { mean, deviation }] of posteriors.entries()) {
    const noise = noiseOf(i).data
    for (let k = 0; k < size; k++) data[i * size + k] = scaleFactor * (mean.data[k]! + deviation.data[k]! * noise[k]!)
  }
  return { shape, data }
}
