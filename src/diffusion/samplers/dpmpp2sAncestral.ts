import { combine } from '../../tensor/combine.ts'
import { eulerStep } from './euler.ts'
import { ancestralSplit } from './freshNoise.ts'
import { pairs, type Sampler } from './sampler.ts'

/**
 * DPM-Solver++(2S), Lu et al. 2022, Algorithm 1, with r = ½, below the next level, and fresh noise up to it. The
 * exact solution for constant D is Euler's step, so both stages are one: to the logarithmic middle, then all the way
 * with the estimate found there. Second order, two calls a step.
 */
export const dpmpp2sAncestral: Sampler = async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
  for (const [sigma, sigmaNext] of pairs(sigmas)) {
    const denoised = await denoise(x, sigma)
    const { down, up } = ancestralSplit(sigma, sigmaNext, eta)
    if (down === 0) {
      x = denoised
    } else {
      const middle = Math.sqrt(sigma * down)
      const halfway = eulerStep(x, denoised, sigma, middle)
      x = eulerStep(x, await denoise(halfway, middle), sigma, down)
    }
    if (sigmaNext > 0) x = combine([1, x], [sNoise * up, noise(sigma, sigmaNext)])
    yield { x, sigma: sigmaNext, denoised }
  }
}
