/**
 * The noise levels a model was trained at, and the way between their two names: the timestep, which the UNet is told,
 * and σ, the noise's standard deviation beside a picture of unit scale.
 */
export interface NoiseLevels {
  /** ᾱ by timestep. */
  readonly alphasCumprod: Float32Array
  /** σ of the trained levels, ascending. */
  readonly sigmas: Float32Array
  /** Timesteps of the smallest and the largest σ. */
  readonly firstTimestep: number
  readonly lastTimestep: number
  /** The timestep of σ, the nearest trained one or between two. */
  timestepOf(sigma: number): number
  /** σ of a timestep, linear in ln σ between two trained ones. */
  sigmaAt(timestep: number): number
}

/** The levels of a model trained at every timestep. Timesteps told to the UNet are whole where `isQuantized`. */
export function noiseLevels(alphasCumprod: Float32Array, isQuantized = false): NoiseLevels {
  const sigmas = sigmasOf(alphasCumprod)
  const logSigmas = sigmas.map(Math.log)
  return {
    alphasCumprod,
    sigmas,
    firstTimestep: 0,
    lastTimestep: sigmas.length - 1,
    timestepOf: (sigma) => {
      const logSigma = Math.fround(Math.log(sigma))
      return isQuantized ? nearest(logSigmas, logSigma) : position(logSigmas, logSigma)
    },
    sigmaAt: (timestep) => valueAt(logSigmas, timestep),
  }
}

/** Timesteps that latent consistency models were distilled at. */
const lcmTimesteps = 50

/** The levels of a latent consistency model (Luo et al. 2023): every 20th of the 1000 timesteps, and none between. */
export function lcmLevels({ alphasCumprod }: NoiseLevels): NoiseLevels {
  const stride = Math.floor(alphasCumprod.length / lcmTimesteps)
  const sigmas = sigmasOf(alphasCumprod.filter((_, timestep) => timestep % stride === stride - 1))
  const logSigmas = sigmas.map(Math.log)
  return {
    alphasCumprod,
    sigmas,
    firstTimestep: stride - 1,
    lastTimestep: alphasCumprod.length - 1,
    timestepOf: (sigma) => nearest(logSigmas, Math.log(sigma)) * stride + stride - 1,
    sigmaAt: (timestep) =>
      valueAt(logSigmas, Math.min(Math.max((timestep - (stride - 1)) / stride, 0), sigmas.length - 1)),
  }
}

/** The share of the noising process left behind at σ: 0 where sampling starts, near 1 where it ends. */
export function noiseRemoved({ sigmas }: NoiseLevels, sigma: number): number {
  return (sigmas.length - 1 - nearest(sigmas, sigma)) / sigmas.length
}

function sigmasOf(alphas: Float32Array): Float32Array {
  return alphas.map((alpha) => Math.sqrt(Math.fround(Math.fround(1 - alpha) / alpha)))
}

/** Index of the value nearest to x. */
function nearest(ascending: Float32Array, x: number): number {
  const at = Math.min(Math.max(Math.round(position(ascending, x)), 0), ascending.length - 1)
  let best = at
  for (const i of [at - 1, at + 1]) {
    const value = ascending[i]
    if (value !== undefined && Math.abs(value - x) < Math.abs(ascending[best]! - x)) best = i
  }
  return best
}

/** Index of x among ascending values, fractional between two, held to the ends. */
function position(ascending: Float32Array, x: number): number {
  let low = 0
  let high = ascending.length - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (ascending[middle]! <= x) low = middle
    else high = middle
  }
  const share = (x - ascending[low]!) / (ascending[high]! - ascending[low]!)
  return Math.fround(low + Math.min(Math.max(share, 0), 1) * (high - low))
}

function valueAt(logSigmas: Float32Array, timestep: number): number {
  const below = Math.floor(timestep)
  const above = Math.ceil(timestep)
  const share = timestep - below
  return Math.fround(Math.exp(Math.fround((1 - share) * logSigmas[below]! + share * logSigmas[above]!)))
}
