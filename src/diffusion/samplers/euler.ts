import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { ancestralSplit, churn } from './freshNoise.ts'
import { pairs, type Sampler } from './sampler.ts'

/**
 * Euler's step from σ to σ' along d = (x − D)/σ: x + (σ' − σ)·d = (σ'/σ)·x + (1 − σ'/σ)·D.
 */
export function eulerStep(x: Tensor, denoised: Tensor, sigma: number, sigmaNext: number): Tensor {
  return combine([sigmaNext / sigma, x], [1 - sigmaNext / sigma, denoised])
}

/** Euler's method: Karras et al. 2022, Algorithm 2 without its correction. First order, one call a step. */
export const euler: Sampler = async function* (denoise, x, sigmas, options) {
  for (const [from, sigmaNext] of pairs(sigmas)) {
    const { x: raised, sigma } = churn(x, from, sigmaNext, sigmas.length - 1, options)
    const denoised = await denoise(raised, sigma)
    x = eulerStep(raised, denoised, sigma, sigmaNext)
    yield { x, sigma: sigmaNext, denoised }
  }
}

/** Euler steps below the next level, and fresh noise up to it. */
export const eulerAncestral: Sampler = async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
  for (const [sigma, sigmaNext] of pairs(sigmas)) {
    const denoised = await denoise(x, sigma)
    const { down, up } = ancestralSplit(sigma, sigmaNext, eta)
    x = eulerStep(x, denoised, sigma, down)
    if (sigmaNext > 0) x = combine([1, x], [sNoise * up, noise(sigma, sigmaNext)])
    yield { x, sigma: sigmaNext, denoised }
  }
}
