import { combine } from '../tensor/combine.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { lcmLevels, type NoiseLevels } from './noiseLevels.ts'

/** What a UNet was trained to predict: the noise ε, or v = √ᾱ·ε − √(1−ᾱ)·x₀ (Salimans and Ho 2022). */
export type Prediction = 'epsilon' | 'v'

/**
 * How a sampler names noise levels and scales latents, and so how the UNet's raw output becomes the estimate that
 * guidance and sampler compute with. All differences between kinds of models end here.
 */
export interface Parameterization {
  /** What the UNet is given at a level: x times `scale`, and a timestep. */
  readonly input: (level: number, levels: NoiseLevels) => { readonly scale: number; readonly timestep: number }
  /** The estimate: a·x + b·raw. */
  readonly output: (level: number, levels: NoiseLevels, prediction: Prediction) => readonly [a: number, b: number]
}

/**
 * Levels are σ, x = x₀ + σ·noise, and the estimate is the clean latent: Karras et al. 2022, Equation 7, with
 * D = x − σ·ε, or D = x/(σ²+1) − σ/√(σ²+1)·v.
 */
export const varianceExploding: Parameterization = {
  input: (sigma, levels) => ({ scale: 1 / Math.hypot(sigma, 1), timestep: levels.timestepOf(sigma) }),
  output: (sigma, _levels, prediction) =>
    prediction === 'epsilon' ? [1, -sigma] : [1 / (sigma ** 2 + 1), -sigma / Math.hypot(sigma, 1)],
}

/** Levels are timesteps, x = √ᾱ·x₀ + √(1−ᾱ)·noise, and the estimate is the noise: ε, or √ᾱ·v + √(1−ᾱ)·x. */
export const variancePreserving: Parameterization = {
  input: (timestep) => ({ scale: 1, timestep }),
  output: (timestep, { alphasCumprod }, prediction) => {
    if (prediction === 'epsilon') return [0, 1]
    // UniPC asks between timesteps; the reference reads ᾱ of the one below.
    const alpha = alphasCumprod[Math.trunc(timestep)]!
    return [Math.sqrt(1 - alpha), Math.sqrt(alpha)]
  },
}

const lcmSigmaData = 0.5

/** Distillation counted its timesteps ten times as fast. */
const lcmTimestepScale = 10

/**
 * Latent consistency models: Luo et al. 2023, Equation 9. Levels are σ; the boundary condition mixes x back in at the
 * smallest levels. Such models predict ε.
 */
export const latentConsistency: Parameterization = {
  input: (sigma, levels) => varianceExploding.input(sigma, lcmLevels(levels)),
  output: (sigma, levels) => {
    const t = lcmLevels(levels).timestepOf(sigma) * lcmTimestepScale
    const skip = lcmSigmaData ** 2 / (t ** 2 + lcmSigmaData ** 2)
    const out = t / Math.hypot(t, lcmSigmaData)
    return [skip + out, -out * sigma]
  },
}

/** x₀ in x = √ᾱ·x₀ + √(1−ᾱ)·ε. */
export function predictClean(x: Tensor, epsilon: Tensor, alpha: number): Tensor {
  return combine([1 / Math.sqrt(alpha), x], [-Math.sqrt((1 - alpha) / alpha), epsilon])
}
