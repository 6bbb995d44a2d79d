import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { SamplerOptions } from './sampler.ts'

/**
 * Splits a step from one noise level to another into a deterministic part, down to `down`, and fresh noise of
 * standard deviation `up`, with down² + up² = σ'². At eta 1 the step keeps the variance of the diffusion's own reversal.
 */
export function ancestralSplit(sigma: number, sigmaNext: number, eta: number): { down: number; up: number } {
  const posterior = Math.sqrt((sigmaNext ** 2 * (sigma ** 2 - sigmaNext ** 2)) / sigma ** 2)
  const up = Math.min(sigmaNext, eta * posterior)
  return { down: Math.sqrt(sigmaNext ** 2 - up ** 2), up }
}

/** The same split over t = −ln σ, held to the end of the way: where to step, and the noise from there up to `tNext`. */
export function ancestralSplitInTime(
  t: number,
  tNext: number,
  tEnd: number,
  eta: number,
): { tDown: number; up: number } {
  if (eta === 0) return { tDown: tNext, up: 0 }
  const { down } = ancestralSplit(Math.exp(-t), Math.exp(-tNext), eta)
  const tDown = Math.min(tEnd, -Math.log(down))
  return { tDown, up: Math.sqrt(Math.max(Math.exp(-2 * tNext) - Math.exp(-2 * tDown), 0)) }
}

/**
 * The churn of Karras et al. 2022, Algorithm 2: raises x from σ to σ̂ with fresh noise where σ lies between sTmin and
 * sTmax. Noise is drawn at every step, used or not, so that runs with and without churn share their random numbers.
 */
export function churn(
  x: Tensor,
  sigma: number,
  sigmaNext: number,
  steps: number,
  options: SamplerOptions,
): { x: Tensor; sigma: number } {
  const { sChurn, sTmin, sTmax, sNoise } = options
  const fresh = options.noise(sigma, sigmaNext)
  const gamma = sTmin <= sigma && sigma <= sTmax ? Math.min(sChurn / steps, Math.SQRT2 - 1) : 0
  if (gamma <= 0) return { x, sigma }
  const raised = sigma * (1 + gamma)
  return { x: combine([1, x], [sNoise * Math.sqrt(raised ** 2 - sigma ** 2), fresh]), sigma: raised }
}
