import { interpolate } from '../../image/interpolate.ts'
import { combine } from '../../tensor/combine.ts'
import type { NormalStream } from '../../tensor/random.ts'
import { sizeOf } from '../../tensor/shape.ts'
import { type Tensor, zeros } from '../../tensor/tensor.ts'

/** How the noise of a step differs from plain normal numbers. */
export interface NoiseOptions {
  /** Deviation of noise that is the same for all points of a channel, which lets pictures be all dark or bright. */
  readonly offset: number
  /** Whether the offset is drawn anew for each step, up to the above. */
  readonly isOffsetRandom: boolean
  /** The offset grows by this times the absolute mean of a channel; undefined where it does not. */
  readonly adaptiveScale: number | undefined
  /** Noise at coarser and coarser sizes on top, each `discount` times as strong as the one before. */
  readonly pyramid: { readonly iterations: number; readonly discount: number } | undefined
  /** Deviation of further noise on what is read, of which the target knows nothing (Ning et al. 2023). */
  readonly inputPerturbation: number
  readonly isPerturbationRandom: boolean
}

/** Uniform numbers from 0 to 1. */
export type UniformStream = () => number

export interface Noise {
  /** What the target is made of. */
  readonly noise: Tensor
  /** What the latents are mixed with. */
  readonly mixed: Tensor
}

/** The noise of one batch of scaled latents [B, C, H, W]. */
export function drawNoise(latents: Tensor, options: NoiseOptions, normal: NormalStream, uniform: UniformStream): Noise {
  let noise = normal(latents.shape)
  if (options.offset !== 0) {
    const offset = options.isOffsetRandom ? uniform() * options.offset : options.offset
    noise = withOffset(noise, latents, { offset, adaptiveScale: options.adaptiveScale }, normal)
  }
  if (options.pyramid) noise = withPyramid(noise, options.pyramid, normal, uniform)
  const { inputPerturbation: gamma, isPerturbationRandom } = options
  if (gamma === 0) return { noise, mixed: noise }
  const strength = isPerturbationRandom ? uniform() * gamma : gamma
  return { noise, mixed: combine([1, noise], [strength, normal(latents.shape)]) }
}

/** Offset noise: one more normal number for each channel of each picture. */
export function withOffset(
  noise: Tensor,
  latents: Tensor,
  { offset, adaptiveScale }: { readonly offset: number; readonly adaptiveScale: number | undefined },
  normal: NormalStream,
): Tensor {
  const [batch, channels] = noise.shape as [number, number]
  const shifts = normal([batch, channels, 1, 1]).data
  const points = noise.data.length / shifts.length
  const data = noise.data.slice()
  for (const [i, shift] of shifts.entries()) {
    const own = latents.data.subarray(i * points, (i + 1) * points)
    const mean = own.reduce((sum, x) => sum + x, 0) / points
    const strength = adaptiveScale === undefined ? offset : Math.max(0, offset + adaptiveScale * Math.abs(mean))
    for (let at = i * points; at < (i + 1) * points; at++) data[at] = data[at]! + strength * shift
  }
  return { shape: noise.shape, data }
}

/** Noise of several sizes, brought back to a deviation of 1 over the whole batch. */
export function withPyramid(
  noise: Tensor,
  { iterations, discount }: { readonly iterations: number; readonly discount: number },
  normal: NormalStream,
  uniform: UniformStream,
): Tensor {
  const [batch, channels, height, width] = noise.shape as [number, number, number, number]
  let sum = noise
  for (let level = 0; level < iterations; level++) {
    const ratio = (2 + 2 * uniform()) ** level
    const [h, w] = [height, width].map((side) => Math.max(1, Math.floor(side / ratio))) as [number, number]
    const coarse = normal([batch, channels, h, w])
    sum = combine([1, sum], [discount ** level, interpolate(coarse, [height, width], 'bilinear')])
    if (h === 1 || w === 1) break
  }
  return combine([1 / deviation(sum.data), sum])
}

function deviation(data: Float32Array): number {
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length
  return Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (data.length - 1))
}

/** √ᾱ·x₀ + √(1−ᾱ)·ε for each picture of the batch at its timestep; with the parts exchanged, v. */
export function mixed(
  latents: Tensor,
  noise: Tensor,
  timesteps: readonly number[],
  alphasCumprod: Float32Array,
): { readonly noisy: Tensor; readonly velocity: Tensor } {
  const [noisy, velocity] = [zeros(latents.shape), zeros(latents.shape)]
  const size = sizeOf(latents.shape.slice(1))
  for (const [row, timestep] of timesteps.entries()) {
    const alpha = alphasCumprod[timestep]!
    const [signal, sigma] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)]
    for (let i = row * size; i < (row + 1) * size; i++) {
      const [x, e] = [latents.data[i]!, noise.data[i]!]
      noisy.data[i] = signal * x + sigma * e
      velocity.data[i] = signal * e - sigma * x
    }
  }
  return { noisy, velocity }
}
