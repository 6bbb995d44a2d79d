import type { Tensor } from '../tensor/tensor.ts'
import type { SoftInpainting } from './recipe.ts'

/**
 * The latent between `original` and `painted`, [B, C, h, w], where `mask` [h, w] is the share of `painted`.
 *
 * A plain mean of two unrelated latents is shorter than either and decodes to grey mush, so each point is stretched
 * to the p-norm mean of the two lengths, p being the transition contrast.
 */
export function blendSoftly(original: Tensor, painted: Tensor, mask: Float32Array, contrast: number): Tensor {
  const [batch, channels, height, width] = painted.shape as [number, number, number, number]
  const area = height * width
  const data = new Float32Array(painted.data.length)
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < area; i++) {
      const t = mask[i]!
      let length = 0
      let lengthOriginal = 0
      let lengthPainted = 0
      for (let c = 0; c < channels; c++) {
        const at = (b * channels + c) * area + i
        const from = original.data[at]!
        const to = painted.data[at]!
        data[at] = from * (1 - t) + to * t
        length += data[at]! ** 2
        lengthOriginal += from ** 2
        lengthPainted += to ** 2
      }
      const wanted =
        (Math.sqrt(lengthOriginal) ** contrast * (1 - t) + Math.sqrt(lengthPainted) ** contrast * t) ** (1 / contrast)
      const stretch = wanted / (Math.sqrt(length) + 1e-4)
      for (let c = 0; c < channels; c++) data[(b * channels + c) * area + i]! *= stretch
    }
  }
  return { shape: painted.shape, data }
}

/** The mask in force at noise level σ: m^(σ^bias · strength), so that the original fades in as noise goes. */
export function maskAt(mask: Float32Array, sigma: number, settings: SoftInpainting): Float32Array {
  const exponent = sigma ** settings.scheduleBias * settings.preservationStrength
  return mask.map((share) => share ** exponent)
}

/**
 * How opaque the painted picture lies over the original, [h, w] in 0…255 at latent size, from how far its latent has
 * moved: what was hardly changed shows the original's own pixels again.
 */
export function overlayMask(
  original: Tensor,
  painted: Tensor,
  mask: Float32Array,
  settings: SoftInpainting,
): Uint8Array {
  const [, channels, height, width] = painted.shape as [number, number, number, number]
  const area = height * width
  let distance = new Float64Array(area)
  for (let i = 0; i < area; i++) {
    let sum = 0
    for (let c = 0; c < channels; c++) sum += (painted.data[c * area + i]! - original.data[c * area + i]!) ** 2
    distance[i] = Math.sqrt(sum)
  }
  distance = weightedPercentiles(distance, width, 0.9, 1)
  distance = weightedPercentiles(distance, width, 0.25, 0.75)

  const { differenceThreshold, differenceContrast, maskInfluence, preservationStrength } = settings
  return Uint8Array.from(distance, (moved, i) => {
    const outside = 1 - Math.min(Math.max(mask[i]!, 0), 1) ** (preservationStrength / 2)
    const share = 0.5 * (1 - maskInfluence) + outside * maskInfluence
    const half = (differenceThreshold * share) / (1.00001 - share)
    const kept = smootherStep(1 / (1 + (moved / half) ** differenceContrast))
    return Math.trunc(255 * (1 - kept))
  })
}

/** Ken Perlin's 6x⁵ − 15x⁴ + 10x³. */
function smootherStep(x: number): number {
  return x * x * x * (x * (6 * x - 15) + 10)
}

const radius = 2

/** A Gaussian exp(−r²/1.5²), lowered so that it ends in 0 one pixel beyond the radius, and 1 at its centre. */
const kernel = Array.from({ length: (2 * radius + 1) ** 2 }, (_, i) => {
  const x = (i % (2 * radius + 1)) - radius
  const y = Math.floor(i / (2 * radius + 1)) - radius
  const gaussian = (squared: number) => Math.exp(-squared / 1.5 ** 2)
  const end = gaussian((radius + 1) ** 2)
  return Math.max(0, (gaussian(x * x + y * y) - end) / (1 - end))
})

/**
 * For each point the mean of its neighbours between two percentiles, where a neighbour counts by the kernel:
 * (0.25, 0.75) is a soft median, (0.9, 1) a soft maximum. The range holds at least a weight of 1.
 */
function weightedPercentiles(values: Float64Array, width: number, from: number, to: number): Float64Array<ArrayBuffer> {
  const height = values.length / width
  const result = new Float64Array(values.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const neighbours: { value: number; weight: number }[] = []
      for (let v = Math.max(0, y - radius); v < Math.min(height, y + radius + 1); v++) {
        for (let u = Math.max(0, x - radius); u < Math.min(width, x + radius + 1); u++) {
          const weight = kernel[(v - y + radius) * (2 * radius + 1) + u - x + radius]!
          neighbours.push({ value: values[v * width + u]!, weight })
        }
      }
      neighbours.sort((a, b) => a.value - b.value)
      result[y * width + x] = meanOfRange(neighbours, from, to)
    }
  }
  return result
}

function meanOfRange(sorted: readonly { value: number; weight: number }[], from: number, to: number): number {
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0)
  let low = total * from
  let high = total * to
  if (high - low < 1) {
    const centre = (low + high) / 2
    low = Math.max(0, Math.min(centre + 0.5, total) - 1)
    high = low + 1
  }
  let below = 0
  let sum = 0
  let counted = 0
  for (const { value, weight } of sorted) {
    const overlap = Math.min(high, below + weight) - Math.max(low, below)
    if (overlap > 0) {
      sum += value * overlap
      counted += overlap
    }
    below += weight
  }
  return counted > 0 ? sum / counted : 0
}
