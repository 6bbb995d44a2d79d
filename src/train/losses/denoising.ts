import { add, mul, reduceMean, reduceSum, reshape, sqrt, sub } from '../../graph/ops.ts'
import { numberAt, type Value } from '../../graph/value.ts'
import { combine } from '../../tensor/combine.ts'
import type { NormalStream } from '../../tensor/random.ts'
import { type Tensor, zeros } from '../../tensor/tensor.ts'

/** What a denoiser learns to predict: the noise, v = √ᾱ·ε − √(1−ᾱ)·x₀ (Salimans and Ho 2022), or the latent. */
export type DenoisingTarget = 'epsilon' | 'v' | 'x0'

export interface NoisingOptions {
  /** ᾱ by timestep; see `withZeroTerminalSnr` for a schedule that ends in pure noise. */
  readonly alphasCumprod: Float32Array
  readonly target: DenoisingTarget
  /** Deviation of noise that is the same for all pixels of a channel, which lets pictures be all dark or bright. */
  readonly noiseOffset: number
  /** γ of min-SNR weighting (Hang et al. 2023); undefined weighs all timesteps alike. */
  readonly minSnr: number | undefined
}

/** One batch for a denoiser. */
export interface Noised {
  /** √ᾱ·x₀ + √(1−ᾱ)·ε [B, C, H, W]. */
  readonly noisy: Tensor
  /** What to predict, of the same shape. */
  readonly target: Tensor
  /** Weight of each picture's error [B]. */
  readonly weights: Tensor
}

/** Noises scaled latents [B, C, H, W] to the timestep of each. */
export function noised(
  latents: Tensor,
  timesteps: readonly number[],
  normal: NormalStream,
  { alphasCumprod, target, noiseOffset, minSnr }: NoisingOptions,
): Noised {
  const [batch, channels] = latents.shape
  let noise = normal(latents.shape)
  if (noiseOffset !== 0) noise = combine([1, noise], [noiseOffset, overPixels(normal([batch!, channels!]), latents)])

  const noisy = zeros(latents.shape)
  const aim = zeros(latents.shape)
  const weights = zeros([batch!])
  const size = latents.data.length / batch!
  for (const [row, timestep] of timesteps.entries()) {
    const alpha = alphasCumprod[timestep]!
    const [signal, sigma] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)]
    weights.data[row] = lossWeight(alpha / (1 - alpha), target, minSnr)
    for (let i = row * size; i < (row + 1) * size; i++) {
      const [x, e] = [latents.data[i]!, noise.data[i]!]
      noisy.data[i] = signal * x + sigma * e
      aim.data[i] = target === 'epsilon' ? e : target === 'v' ? signal * e - sigma * x : x
    }
  }
  return { noisy, target: aim, weights }
}

/** min(SNR, γ) for an error of x₀; an error of ε is 1/SNR of it, one of v 1/(SNR + 1). */
function lossWeight(snr: number, target: DenoisingTarget, minSnr: number | undefined): number {
  if (minSnr === undefined) return 1
  const capped = Math.min(snr, minSnr)
  return target === 'x0' ? capped : capped / (target === 'v' ? snr + 1 : snr)
}

/** One number per channel [B, C], repeated over the pixels. */
function overPixels({ data }: Tensor, { shape }: Tensor): Tensor {
  const result = zeros(shape)
  const size = result.data.length / data.length
  for (let i = 0; i < data.length; i++) result.data.fill(data[i]!, i * size, (i + 1) * size)
  return result
}

/** How large an element's error counts: its square, or a curve that is linear far out (Charbonnier et al. 1994). */
export type ErrorShape = { readonly kind: 'square' } | { readonly kind: 'huber'; readonly c: number }

/** Σ over the batch of weight · mean error of a picture / B: prediction and target [B, C, H, W], weights [B]. */
export function denoisingLoss(
  prediction: Value,
  target: Value,
  weights: Value,
  shape: ErrorShape = { kind: 'square' },
): Value {
  const error = sub(prediction, target)
  const square = mul(error, error)
  const each = shape.kind === 'square' ? square : huber(square, shape.c)
  const perPicture = reshape(reduceMean(each, [1, 2, 3]), weights.shape)
  return reshape(mul(reduceSum(mul(perPicture, weights), [0]), 1 / numberAt(weights, 0)), [])
}

/** 2c·(√(e² + c²) − c): e² for small errors, 2c·|e| for large ones. */
function huber(square: Value, c: number): Value {
  return mul(sub(sqrt(add(square, c * c)), c), 2 * c)
}
