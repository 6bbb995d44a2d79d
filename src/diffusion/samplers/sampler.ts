import type { Tensor } from '../../tensor/tensor.ts'

/** The model as k-samplers see it: the clean latent D(x, σ) expected behind x = x₀ + σ·noise. */
export type Denoise = (x: Tensor, sigma: number) => Promise<Tensor>

/** What one step leaves behind, for whoever shows, counts or stops. */
export interface Step {
  /** The latent after the step, in the sampler's own scaling. */
  readonly x: Tensor
  /** The noise level reached. */
  readonly sigma: number
  /** The model's latest estimate of the clean latent: the preview. */
  readonly denoised: Tensor
}

/**
 * Unit normal noise, shaped as x, for the move between two noise levels. Independent draws ignore the levels;
 * a Brownian tree answers the same levels with the same noise.
 */
export type NoiseSource = (sigma: number, sigmaNext: number) => Tensor

/** Numbers every k-sampler is given; each takes those that its formula has. */
export interface SamplerOptions {
  readonly noise: NoiseSource
  /** Share of fresh noise in ancestral and SDE steps: 0 follows the ODE. */
  readonly eta: number
  /** Factor on all fresh noise. */
  readonly sNoise: number
  /** Karras et al. 2022, Algorithm 2: noise added in total before steps with sTmin ≤ σ ≤ sTmax. */
  readonly sChurn: number
  readonly sTmin: number
  readonly sTmax: number
}

/** Steps x through `sigmas`, descending: x of each yield lies at the sigma beside it. */
export type Sampler = (
  denoise: Denoise,
  x: Tensor,
  sigmas: readonly number[],
  options: SamplerOptions,
) => AsyncGenerator<Step, void, void>

/** The model's estimate of the noise in a variance-preserving latent √ᾱ·x₀ + √(1−ᾱ)·ε. */
export interface NoiseEstimate {
  readonly epsilon: Tensor
  /** The estimate without the prompt, which CFG++ steps along. */
  readonly uncond: Tensor
}

/** The model as timestep samplers see it; timesteps count from 0 to 999 and may be fractional. */
export type PredictNoise = (x: Tensor, timestep: number) => Promise<NoiseEstimate>

/** Numbers every timestep sampler is given. */
export interface TimestepOptions {
  readonly noise: NoiseSource
  readonly eta: number
  /** ᾱ of training, by timestep. */
  readonly alphasCumprod: Float32Array
  /** Whether x is a noised picture, so that the first timestep is the last of the list and not that of pure noise. */
  readonly isImg2img: boolean
  readonly unipc: UniPcOptions
}

/** UniPC's choices: Zhao et al. 2023. */
export interface UniPcOptions {
  /** B(h) = h, B(h) = e^h − 1, or coefficients that vary with the order. */
  readonly variant: 'bh1' | 'bh2' | 'vary_coeff'
  readonly skipType: 'time_uniform' | 'time_quadratic' | 'logSNR'
  readonly order: number
  /** Lower orders for the last steps, which steadies short runs. */
  readonly lowerOrderFinal: boolean
}

/** Steps x through `timesteps`, ascending as listed and walked from the last to the first. */
export type TimestepSampler = (
  predict: PredictNoise,
  x: Tensor,
  timesteps: readonly number[],
  options: TimestepOptions,
) => AsyncGenerator<Step, void, void>

/** Neighbours of a list: where each step starts and ends. */
export function* pairs(levels: readonly number[]): Generator<readonly [number, number]> {
  for (let i = 0; i + 1 < levels.length; i++) yield [levels[i]!, levels[i + 1]!]
}
