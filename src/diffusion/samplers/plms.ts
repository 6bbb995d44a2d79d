import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { predictClean } from '../denoiser.ts'
import { sigmaOfAlpha } from './ddim.ts'
import type { TimestepSampler } from './sampler.ts'

/** Adams–Bashforth weights of the latest noise estimates, the latest first, by how many there are. */
const weights = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]] as const

/**
 * Pseudo linear multistep (Liu et al. 2022, Equation 12): DDIM along the extrapolated noise. The first step has nothing
 * to extrapolate from and looks ahead instead, with a second call.
 */
export const plms: TimestepSampler = async function* (predict, x, timesteps, { alphasCumprod }) {
  const step = (epsilon: Tensor, alpha: number, alphaNext: number) => {
    const denoised = predictClean(x, epsilon, alpha)
    return { x: combine([Math.sqrt(alphaNext), denoised], [Math.sqrt(1 - alphaNext), epsilon]), denoised }
  }

  const estimates: Tensor[] = []
  for (let i = timesteps.length - 1; i > 0; i--) {
    const alpha = alphasCumprod[timesteps[i]!]!
    const alphaNext = alphasCumprod[timesteps[i - 1]!]!
    const { epsilon } = await predict(x, timesteps[i]!)
    let slope = epsilon
    if (estimates.length === 0) {
      const ahead = await predict(step(epsilon, alpha, alphaNext).x, timesteps[i - 1]!)
      slope = combine([0.5, epsilon], [0.5, ahead.epsilon])
    } else {
      const latest = [epsilon, ...estimates]
      slope = combine(...weights[latest.length - 1]!.map((weight, k) => [weight, latest[k]!] as const))
    }
    const next = step(slope, alpha, alphaNext)
    x = next.x
    estimates.unshift(epsilon)
    estimates.length = Math.min(estimates.length, weights.length - 1)
    yield { x, sigma: sigmaOfAlpha(alphaNext), denoised: next.denoised }
  }
}
