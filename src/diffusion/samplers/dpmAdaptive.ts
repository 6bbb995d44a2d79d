import { StudioError } from '../../errors.ts'
import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { firstOrder, secondOrder, slopeAt, thirdOrder } from './dpmSolver.ts'
import { ancestralSplitInTime } from './freshNoise.ts'
import type { Sampler } from './sampler.ts'

const relativeTolerance = 0.05
const absoluteTolerance = 0.0078
const firstStep = 0.05
/** A step is repeated, smaller, when the controller would shrink it below this share. */
const acceptedFactor = 0.81
const order = 3
/** A step in ln σ that gets nowhere: the model's estimates jump, or are no numbers. */
const smallestStep = 1e-9

/**
 * DPM-Solver-23 with adaptive steps (Lu et al. 2022, Appendix C): a second- and a third-order solution share two of
 * their calls, and their difference chooses the step. Of `sigmas` only the ends count; the last must be above 0. Yields
 * every attempt; a rejected one leaves x as it was.
 */
export const dpmAdaptive: Sampler = async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
  const tEnd = -Math.log(sigmas.at(-1)!)
  let t = -Math.log(sigmas[0]!)
  let h = firstStep
  let lower = x

  while (t < tEnd - 1e-5) {
    const tNext = Math.min(tEnd, t + h)
    const { tDown, up } = ancestralSplitInTime(t, tNext, tEnd, eta)
    const start = await slopeAt(denoise, x, t)
    const tInner = t + (tDown - t) / 3
    const inner = await slopeAt(denoise, firstOrder(x, start, t, tInner), tInner)
    const low = secondOrder(x, start, inner, 1 / 3, t, tDown)
    const high = await thirdOrder(denoise, x, start, inner, t, tDown)

    // The integral controller of Söderlind 2003, with a smooth limit on how fast steps grow.
    const inverse = 1 / (1e-8 + scaledDifference(low, high, lower))
    const factor = 1 + Math.atan(inverse ** (1 / (eta > 0 ? 1.5 : order)) - 1)
    if (factor >= acceptedFactor) {
      lower = low
      x = combine([1, high], [sNoise * up, noise(Math.exp(-t), Math.exp(-tNext))])
      t = tNext
    }
    h *= factor
    if (!(h > smallestStep)) {
      const sigma = Math.exp(-t).toFixed(4)
      throw new StudioError('not-a-number', `DPM adaptive: no step from σ = ${sigma} keeps to the tolerance`)
    }
    yield { x, sigma: Math.exp(-t), denoised: start.denoised }
  }
}

/** Root mean square of the difference, in units of what is tolerated at each point. */
function scaledDifference(low: Tensor, high: Tensor, lowBefore: Tensor): number {
  let sum = 0
  for (let i = 0; i < low.data.length; i++) {
    const size = Math.max(Math.abs(low.data[i]!), Math.abs(lowBefore.data[i]!))
    sum += ((low.data[i]! - high.data[i]!) / Math.max(absoluteTolerance, relativeTolerance * size)) ** 2
  }
  return Math.sqrt(sum / low.data.length)
}
