import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { predictClean } from '../denoiser.ts'
import { sigmaOfAlpha } from './ddim.ts'
import type { TimestepSampler, UniPcOptions } from './sampler.ts'
import { uniPcWeights } from './unipcWeights.ts'
import { type Moment, spaceMoments } from './variancePreservingTime.ts'

/** An estimate of the clean latent, and when it was made. */
interface Estimate {
  readonly at: Moment
  readonly denoised: Tensor
}

/**
 * UniPC (Zhao et al. 2023, Algorithms 5 and 6) on estimates of the clean latent: a multistep predictor, and a corrector
 * that spends the next step's model call on the step before. One call a step, none after the last. Walks as many steps
 * as there are timesteps, spaced by its own rule from the last one (or from pure noise) to timestep 0; of a higher
 * order than that there is nothing to make.
 */
export const unipc: TimestepSampler = async function* (predict, x, timesteps, options) {
  const { alphasCumprod, isImg2img } = options
  const steps = timesteps.length
  if (steps === 0) return
  const from = isImg2img ? timesteps.at(-1)! : alphasCumprod.length - 1
  const settings = { ...options.unipc, order: Math.min(options.unipc.order, steps) }
  const moments = spaceMoments(settings.skipType, from, steps, alphasCumprod)
  const estimate = async (x: Tensor, at: Moment): Promise<Estimate> => {
    const { epsilon } = await predict(x, at.timestep)
    return { at, denoised: predictClean(x, epsilon, at.alpha) }
  }

  let past: readonly Estimate[] = [await estimate(x, moments[0]!)]
  for (let i = 1; i <= steps; i++) {
    const to = moments[i]!
    const order = orderAt(i, steps, settings)
    const isLast = i === steps
    const step = stepFrom(x, past.slice(0, order), to, settings.variant)
    x = step.predicted
    const denoised = past[0]!.denoised
    if (!isLast) {
      const next = await estimate(x, to)
      x = step.corrected(next.denoised)
      past = [next, ...past].slice(0, settings.order)
    }
    yield { x, sigma: sigmaOfAlpha(to.alpha), denoised: isLast ? denoised : past[0]!.denoised }
  }
}

/** The order of step i of n: as many estimates as there are, and fewer towards the end where that is wished. */
function orderAt(i: number, steps: number, { order, lowerOrderFinal }: UniPcOptions): number {
  const available = Math.min(i, order)
  return lowerOrderFinal && i >= order ? Math.min(available, steps + 1 - i) : available
}

/** A step from the latest of `past` (x is its latent): the prediction, and the correction by an estimate made there. */
function stepFrom(x: Tensor, past: readonly Estimate[], to: Moment, variant: UniPcOptions['variant']) {
  const [latest, ...earlier] = past as [Estimate, ...Estimate[]]
  const h = to.lambda - latest.at.lambda
  const ratios = earlier.map(({ at }) => (at.lambda - latest.at.lambda) / h)
  const weights = uniPcWeights(variant, ratios, -h)

  const alpha = Math.sqrt(to.alpha)
  const base: readonly (readonly [number, Tensor])[] = [
    [Math.sqrt((1 - to.alpha) / (1 - latest.at.alpha)), x],
    [-alpha * Math.expm1(-h), latest.denoised],
  ]
  /** Terms for the differences of estimates from the latest, each over its distance in λ. */
  const differences = (factors: readonly number[], others: readonly (readonly [number, Tensor])[]) =>
    others.flatMap(([ratio, denoised], j): (readonly [number, Tensor])[] => {
      const k = (-alpha * factors[j]!) / ratio
      return [
        [k, denoised],
        [-k, latest.denoised],
      ]
    })
  const known = earlier.map(({ denoised }, j) => [ratios[j]!, denoised] as const)
  return {
    predicted: combine(...base, ...differences(weights.predictor, known)),
    corrected: (denoised: Tensor) => combine(...base, ...differences(weights.corrector, [...known, [1, denoised]])),
  }
}
