import { combine } from '../../tensor/combine.ts'
import { pairs, type Sampler } from './sampler.ts'

/** Multistep consistency sampling (Song et al. 2023, Algorithm 1): jump to the clean latent, noise it again, repeat. */
export const lcm: Sampler = async function* (denoise, x, sigmas, { noise }) {
  for (const [sigma, sigmaNext] of pairs(sigmas)) {
    const denoised = await denoise(x, sigma)
    x = sigmaNext > 0 ? combine([1, denoised], [sigmaNext, noise(sigma, sigmaNext)]) : denoised
    yield { x, sigma: sigmaNext, denoised }
  }
}
