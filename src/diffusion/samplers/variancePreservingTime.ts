import type { UniPcOptions } from './sampler.ts'

/** A point of the noising process between two trained timesteps. */
export interface Moment {
  /** Fractional timestep, as the UNet is told. */
  readonly timestep: number
  readonly alpha: number
  /** Half the logarithm of the signal-to-noise ratio: ½ ln(ᾱ/(1 − ᾱ)). */
  readonly lambda: number
}

/** `steps` + 1 moments from a timestep down to timestep 0, spaced evenly in time, in its root, or in λ. */
export function spaceMoments(
  skipType: UniPcOptions['skipType'],
  from: number,
  steps: number,
  alphasCumprod: Float32Array,
): Moment[] {
  const logAlphas = alphasCumprod.map(Math.log)
  const count = alphasCumprod.length
  const start = (from + 1) / count
  const end = 1 / count
  const share = (i: number, a: number, b: number) => a + (i / steps) * (b - a)

  const moments = (timeAt: (i: number) => number) =>
    Array.from({ length: steps + 1 }, (_, i) => momentAt(timeAt(i), logAlphas))
  switch (skipType) {
    case 'time_uniform':
      return moments((i) => share(i, start, end))
    case 'time_quadratic':
      return moments((i) => share(i, Math.sqrt(start), Math.sqrt(end)) ** 2)
    case 'logSNR': {
      const from = momentAt(start, logAlphas).lambda
      const to = momentAt(end, logAlphas).lambda
      return moments((i) => timeOf(-Math.log1p(Math.exp(-2 * share(i, from, to))), logAlphas))
    }
  }
}

/**
 * The moment at a share of the process, 1/1000 being timestep 0 and 1 timestep 999; ln ᾱ is linear between timesteps.
 * Rounded to float32 as the reference does, which decides the timestep below where one is hit.
 */
function momentAt(time: number, logAlphas: Float32Array): Moment {
  const count = logAlphas.length
  const t = Math.fround(time)
  const timestep = Math.max(Math.fround(Math.fround(t - Math.fround(1 / count)) * count), 0)
  const at = t * count - 1
  const below = Math.min(Math.max(Math.floor(at), 0), count - 2)
  const logAlpha = logAlphas[below]! + (at - below) * (logAlphas[below + 1]! - logAlphas[below]!)
  const alpha = Math.exp(logAlpha)
  return { timestep, alpha, lambda: (logAlpha - Math.log(-Math.expm1(logAlpha))) / 2 }
}

/** The share of the process at which ln ᾱ, descending, has a value. */
function timeOf(logAlpha: number, logAlphas: Float32Array): number {
  let below = 0
  let above = logAlphas.length - 1
  while (above - below > 1) {
    const middle = (below + above) >> 1
    if (logAlphas[middle]! >= logAlpha) below = middle
    else above = middle
  }
  return (below + 1 + (logAlpha - logAlphas[below]!) / (logAlphas[above]! - logAlphas[below]!)) / logAlphas.length
}
