import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { predictClean } from '../denoiser.ts'
import type { NoiseEstimate, TimestepSampler } from './sampler.ts'

/** σ of a variance-preserving level. */
export function sigmaOfAlpha(alpha: number): number {
  return Math.sqrt((1 - alpha) / alpha)
}

/**
 * DDIM (Song et al. 2021, Equation 12): to the clean latent, and back along a direction, with η of the variance as
 * fresh noise. Walks from the last timestep to the first, where it stops without a last step to the clean latent.
 */
function ddimAlong(direction: (estimate: NoiseEstimate) => Tensor): TimestepSampler {
  return async function* (predict, x, timesteps, { noise, eta, alphasCumprod }) {
    for (let i = timesteps.length - 1; i > 0; i--) {
      const alpha = alphasCumprod[timesteps[i]!]!
      const alphaNext = alphasCumprod[timesteps[i - 1]!]!
      const estimate = await predict(x, timesteps[i]!)
      const denoised = predictClean(x, estimate.epsilon, alpha)
      const fresh = eta * Math.sqrt(((1 - alphaNext) / (1 - alpha)) * (1 - alpha / alphaNext))
      const sigma = sigmaOfAlpha(alphaNext)
      x = combine(
        [Math.sqrt(alphaNext), denoised],
        [Math.sqrt(1 - alphaNext - fresh ** 2), direction(estimate)],
        // Drawn also where η is 0, so that runs with and without it share their random numbers.
        [fresh, noise(sigmaOfAlpha(alpha), sigma)],
      )
      yield { x, sigma, denoised }
    }
  }
}

/** DDIM along the guided noise. */
export const ddim: TimestepSampler = ddimAlong(({ epsilon }) => epsilon)

/** DDIM CFG++ (Chung et al. 2024, Algorithm 2): noised again with the unguided noise. */
export const ddimCfgpp: TimestepSampler = ddimAlong(({ uncond }) => uncond)
