import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { pairs, type Sampler } from './sampler.ts'

/**
 * DPM-Solver++(2M) as an SDE solver: the ODE's step over (1 + η)·h and Brownian noise for what that removes too much.
 * With φ = 1 − e^(−(1+η)h), the change of D since the step before, scaled to this step, enters by φ/2 (midpoint) or by
 * 1 − φ/((1+η)h) (Heun). One call a step.
 */
function dpmpp2mSdeWith(secondOrder: (phi: number, h: number) => number): Sampler {
  return async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
    let before: { denoised: Tensor; h: number } | undefined
    for (const [sigma, sigmaNext] of pairs(sigmas)) {
      const denoised = await denoise(x, sigma)
      if (sigmaNext === 0) {
        x = denoised
      } else {
        const h = Math.log(sigma / sigmaNext)
        const phi = -Math.expm1(-(1 + eta) * h)
        const terms: [number, Tensor][] = [[(sigmaNext / sigma) * Math.exp(-eta * h), x]]
        if (before) {
          const k = secondOrder(phi, (1 + eta) * h) * (h / before.h)
          terms.push([phi + k, denoised], [-k, before.denoised])
        } else {
          terms.push([phi, denoised])
        }
        if (eta > 0) {
          terms.push([sNoise * sigmaNext * Math.sqrt(-Math.expm1(-2 * eta * h)), noise(sigma, sigmaNext)])
        }
        x = combine(...terms)
        before = { denoised, h }
      }
      yield { x, sigma: sigmaNext, denoised }
    }
  }
}

/** DPM-Solver++(2M) SDE, midpoint form. */
export const dpmpp2mSde: Sampler = dpmpp2mSdeWith((phi) => phi / 2)

/** DPM-Solver++(2M) SDE, Heun form. */
export const dpmpp2mSdeHeun: Sampler = dpmpp2mSdeWith((phi, h) => 1 - phi / h)
