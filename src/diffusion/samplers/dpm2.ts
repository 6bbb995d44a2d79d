import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { eulerStep } from './euler.ts'
import { ancestralSplit, churn } from './freshNoise.ts'
import { type Denoise, pairs, type Sampler } from './sampler.ts'

/** DPM-Solver-2 (Lu et al. 2022, Algorithm 1) over σ. Second order, two calls a step. */
export const dpm2: Sampler = async function* (denoise, x, sigmas, options) {
  for (const [from, sigmaNext] of pairs(sigmas)) {
    const { x: raised, sigma } = churn(x, from, sigmaNext, sigmas.length - 1, options)
    const denoised = await denoise(raised, sigma)
    x = await midpointStep(denoise, raised, denoised, sigma, sigmaNext)
    yield { x, sigma: sigmaNext, denoised }
  }
}

/** DPM-Solver-2 below the next level, and fresh noise up to it. */
export const dpm2Ancestral: Sampler = async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
  for (const [sigma, sigmaNext] of pairs(sigmas)) {
    const denoised = await denoise(x, sigma)
    const { down, up } = ancestralSplit(sigma, sigmaNext, eta)
    x = await midpointStep(denoise, x, denoised, sigma, down)
    if (down > 0) x = combine([1, x], [sNoise * up, noise(sigma, sigmaNext)])
    yield { x, sigma: sigmaNext, denoised }
  }
}

/** A step along the slope at the logarithmic middle, Euler's to σ' = 0. */
async function midpointStep(
  denoise: Denoise,
  x: Tensor,
  denoised: Tensor,
  sigma: number,
  sigmaNext: number,
): Promise<Tensor> {
  if (sigmaNext === 0) return denoised
  const middle = Math.sqrt(sigma * sigmaNext)
  const halfway = eulerStep(x, denoised, sigma, middle)
  const slopeScale = (sigmaNext - sigma) / middle
  return combine([1, x], [slopeScale, halfway], [-slopeScale, await denoise(halfway, middle)])
}
