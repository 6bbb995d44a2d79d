/** How the errors of timesteps count beside each other. */
export interface WeightingOptions {
  readonly prediction: 'epsilon' | 'v'
  /** γ of min-SNR weighting (Hang et al. 2023); undefined weighs all timesteps alike. */
  readonly minSnrGamma: number | undefined
  /** Errors of v count as those of the noise would. */
  readonly scalesLikeNoise: boolean
  /** How much of an error of the noise counts on top, as if v were predicted; undefined for none. */
  readonly vLikeLoss: number | undefined
  /** 1/√SNR for the noise (Yu et al. 2023). */
  readonly isDebiased: boolean
}

/** SNRs are cut off here where they are divided by or into. */
const largestSnr = 1000

/** What the error of a picture at a timestep of this signal-to-noise ratio is multiplied with. */
export function timestepWeight(snr: number, options: WeightingOptions): number {
  const { prediction, minSnrGamma, scalesLikeNoise, vLikeLoss, isDebiased } = options
  const isV = prediction === 'v'
  const cut = Math.min(snr, largestSnr)
  const asNoise = cut / (cut + 1)
  let weight = 1
  if (minSnrGamma !== undefined) weight *= Math.min(snr, minSnrGamma) / (isV ? snr + 1 : snr)
  if (scalesLikeNoise) weight *= asNoise
  if (vLikeLoss !== undefined) weight *= 1 + vLikeLoss / asNoise
  if (isDebiased) weight *= isV ? 1 / (cut + 1) : 1 / Math.sqrt(cut)
  return weight
}

export interface BendOptions {
  readonly schedule: 'constant' | 'exponential' | 'snr'
  readonly c: number
  readonly scale: number
}

/** Where Charbonnier's curves bend at a timestep: near 1 for clear latents, near c for noisy ones. */
export function bendAt(timestep: number, alphaCumprod: number, { schedule, c, scale }: BendOptions): number {
  if (schedule === 'constant') return c * scale
  if (schedule === 'exponential') return Math.exp((Math.log(c) / 1000) * timestep) * scale
  const sigma = Math.sqrt((1 - alphaCumprod) / alphaCumprod)
  return (1 - c) / (1 + sigma) ** 2 + c
}
