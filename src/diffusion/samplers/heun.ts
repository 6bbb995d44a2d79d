import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { eulerStep } from './euler.ts'
import { churn } from './freshNoise.ts'
import { type Denoise, pairs, type Sampler } from './sampler.ts'

/**
 * Heun's step from σ to σ': Euler's, corrected by the slope found at its end. At σ' = 0 the slope is unknown and
 * Euler's step stands.
 */
export async function heunStep(
  denoise: Denoise,
  x: Tensor,
  sigma: number,
  sigmaNext: number,
): Promise<{ x: Tensor; denoised: Tensor }> {
  const denoised = await denoise(x, sigma)
  const ahead = eulerStep(x, denoised, sigma, sigmaNext)
  if (sigmaNext === 0) return { x: ahead, denoised }

  const denoisedAhead = await denoise(ahead, sigmaNext)
  const half = (sigmaNext - sigma) / 2
  const corrected = combine(
    [1 + half / sigma, x],
    [-half / sigma, denoised],
    [half / sigmaNext, ahead],
    [-half / sigmaNext, denoisedAhead],
  )
  return { x: corrected, denoised }
}

/** Karras et al. 2022, Algorithm 2. Second order, two calls a step. */
export const heun: Sampler = async function* (denoise, x, sigmas, options) {
  for (const [from, sigmaNext] of pairs(sigmas)) {
    const raised = churn(x, from, sigmaNext, sigmas.length - 1, options)
    const step = await heunStep(denoise, raised.x, raised.sigma, sigmaNext)
    x = step.x
    yield { x, sigma: sigmaNext, denoised: step.denoised }
  }
}
