import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { pairs, type Sampler } from './sampler.ts'

/**
 * DPM-Solver++(2M): Lu et al. 2022, Algorithm 2, in the sigma parameterisation.
 *
 * With λ = −log σ and h the step in λ, the exact solution for constant D is
 * x ← (σ'/σ) x + (1 − e^−h) D. Extrapolating D from the two latest estimates
 * makes it second order at one model call a step.
 */
export const dpmpp2m: Sampler = async function* (denoise, x, sigmas) {
  let before: { lambda: number; denoised: Tensor } | undefined
  for (const [sigma, sigmaNext] of pairs(sigmas)) {
    const denoised = await denoise(x, sigma)
    const lambda = -Math.log(sigma)
    const h = -Math.log(sigmaNext) - lambda

    // On the last step, to σ = 0, h is infinite: first order then lands exactly on `denoised`.
    let target = denoised
    if (before && sigmaNext > 0) {
      const k = h / (2 * (lambda - before.lambda))
      target = combine([1 + k, denoised], [-k, before.denoised])
    }

    x = combine([sigmaNext / sigma, x], [1 - Math.exp(-h), target])
    before = { lambda, denoised }
    yield { x, sigma: sigmaNext, denoised }
  }
}
