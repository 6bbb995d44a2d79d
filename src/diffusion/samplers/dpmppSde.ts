import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { eulerStep } from './euler.ts'
import { ancestralSplit } from './freshNoise.ts'
import { pairs, type Sampler } from './sampler.ts'

/**
 * DPM-Solver++ as an SDE solver with r = ½: two stages like 2S, each split into a step down and Brownian noise up, the
 * noise of the first stage being part of the second's. Two calls a step.
 */
export const dpmppSde: Sampler = async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
  const descend = (x: Tensor, denoised: Tensor, sigma: number, sigmaNext: number) => {
    const { down, up } = ancestralSplit(sigma, sigmaNext, eta)
    const lower = eulerStep(x, denoised, sigma, down)
    return up === 0 ? lower : combine([1, lower], [sNoise * up, noise(sigma, sigmaNext)])
  }

  for (const [sigma, sigmaNext] of pairs(sigmas)) {
    const denoised = await denoise(x, sigma)
    if (sigmaNext === 0) {
      x = denoised
    } else {
      // The reference's levels, through its float32 logarithms: Brownian noise is looked up by them.
      const from = fromLog(toLog(sigma))
      const to = fromLog(toLog(sigmaNext))
      const middle = fromLog(Math.fround(toLog(sigma) + Math.fround(toLog(sigmaNext) - toLog(sigma)) / 2))
      const halfway = descend(x, denoised, from, middle)
      x = descend(x, await denoise(halfway, middle), from, to)
    }
    yield { x, sigma: sigmaNext, denoised }
  }
}

function toLog(sigma: number): number {
  return Math.fround(Math.log(sigma))
}

function fromLog(logSigma: number): number {
  return Math.fround(Math.exp(logSigma))
}
