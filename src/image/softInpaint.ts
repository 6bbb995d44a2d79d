import type { Tensor } from '../tensor/tensor.ts'
import { type L8, picture } from './picture.ts'
import { pillowBlur } from './pillowBlur.ts'
import { fitPicture } from './resizeMode.ts'

/** Settings of soft inpainting, in the words of its form; the mask is not rounded when it is on. */
export interface SoftInpainting {
  /** Above 0, the original holds on longer in the early steps. */
  readonly scheduleBias: number
  /** How much of the original remains at half transparency. */
  readonly preservationStrength: number
  /** Exponent of the mean that magnitudes are blended with: higher favours the larger one. */
  readonly transitionContrastBoost: number
  /** Share of the mask in the decision what of the original is laid over the result. */
  readonly maskInfluence: number
  /** Latent distance at which the original has lost half its opacity. */
  readonly differenceThreshold: number
  readonly differenceContrast: number
}

/** What the form starts from. */
export const softInpaintingDefaults: SoftInpainting = {
  scheduleBias: 1,
  preservationStrength: 0.5,
  transitionContrastBoost: 4,
  maskInfluence: 0,
  differenceThreshold: 0.5,
  differenceContrast: 2,
}

/** The share of the new latent at one step, [h, w]: m^(σ^bias · strength), where m is 1 to paint and 0 to keep. */
export function stepMask(mask: Tensor, sigma: number, settings: SoftInpainting): Tensor {
  const exponent = sigma ** settings.scheduleBias * settings.preservationStrength
  return { shape: mask.shape, data: mask.data.map((value) => value ** exponent) }
}

/**
 * Original and current latent [B, C, h, w] mixed by a mask [h, w] (1 is current). Mixing vectors that point apart
 * shortens them, so each mixed vector is given the length (|a|ᵖ(1 − t) + |b|ᵖ t)^(1/p).
 */
export function blendLatents(original: Tensor, current: Tensor, mask: Tensor, settings: SoftInpainting): Tensor {
  const power = settings.transitionContrastBoost
  const [batch, channels] = current.shape as [number, number]
  const area = mask.data.length
  const originalBatch = original.shape[0]!
  const data = new Float32Array(current.data.length)
  for (let b = 0; b < batch; b++) {
    const own = b * channels * area
    const from = (b % originalBatch) * channels * area
    for (let i = 0; i < area; i++) {
      const t = mask.data[i]!
      let [a2, b2, mixed2] = [0, 0, 0]
      for (let c = 0; c < channels; c++) {
        const was = original.data[from + c * area + i]!
        const is = current.data[own + c * area + i]!
        const mixed = was * (1 - t) + is * t
        data[own + c * area + i] = mixed
        a2 += was * was
        b2 += is * is
        mixed2 += mixed * mixed
      }
      const length = (Math.sqrt(a2) ** power * (1 - t) + Math.sqrt(b2) ** power * t) ** (1 / power)
      const scale = length / (Math.sqrt(mixed2) + 1e-5)
      for (let c = 0; c < channels; c++) data[own + c * area + i]! *= scale
    }
  }
  return { shape: current.shape, data }
}

/** 0 at 0, 1 at 1, flat to the second derivative at both. */
const smootherStep = (x: number) => x * x * x * (x * (6 * x - 15) + 10)

/**
 * What of the original is not laid over the result, 255 where the result shows: chosen by how far each place of the
 * latent [1, C, h, w] moved, at the size of the job. `mask` [h, w] is 1 where to paint.
 */
export function differenceMask(
  original: Tensor,
  result: Tensor,
  mask: Tensor,
  settings: SoftInpainting,
  { width, height }: { readonly width: number; readonly height: number },
): L8 {
  const [h, w] = mask.shape as [number, number]
  let distance = distances(original, result, w, h)
  distance = windowMean(distance, { from: 0.9, to: 1 })
  distance = windowMean(distance, { from: 0.25, to: 0.75 })
  const shown = picture(1, w, h)
  for (let i = 0; i < shown.data.length; i++) {
    const kept = 1 - Math.min(Math.max(mask.data[i]!, 0), 1) ** (settings.preservationStrength / 2)
    const share = 0.5 * (1 - settings.maskInfluence) + kept * settings.maskInfluence
    const half = settings.differenceThreshold * (share / (1.00001 - share))
    const opacity = 1 / (1 + (distance.values[i]! / half) ** settings.differenceContrast)
    shown.data[i] = Math.trunc(255 * (1 - smootherStep(opacity)))
  }
  return pillowBlur(fitPicture(shown, 'fit', width, height), 4)
}

interface Map2d {
  readonly values: Float32Array
  readonly width: number
  readonly height: number
}

/** Euclidean distance over the channels. */
function distances(a: Tensor, b: Tensor, width: number, height: number): Map2d {
  const area = width * height
  const values = new Float32Array(area)
  for (let i = 0; i < area; i++) {
    let sum = 0
    for (let at = i; at < b.data.length; at += area) sum += (b.data[at]! - a.data[at]!) ** 2
    values[i] = Math.sqrt(sum)
  }
  return { values, width, height }
}

const reach = 2
const stddev = 1.5

/** Weight of a neighbour: a Gaussian lowered so that it is 0 one step past the reach, and 1 in the middle. */
function neighbourWeight(dx: number, dy: number): number {
  const gaussian = (square: number) => Math.exp(-square / (stddev * stddev))
  const floor = gaussian((reach + 1) ** 2)
  return Math.max((gaussian(dx * dx + dy * dy) - floor) / (1 - floor), 0)
}

/** A window of at least this much weight, in units of the middle pixel's. */
const leastWindow = 1

/**
 * A filter between mean, median and maximum: of each pixel's neighbours, stacked by value and as thick as their
 * weight, the mean of the part of the stack between two shares of its height.
 */
function windowMean({ values, width, height }: Map2d, window: { readonly from: number; readonly to: number }): Map2d {
  const result = new Float32Array(values.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const stack: { value: number; weight: number }[] = []
      for (let dy = -Math.min(reach, y); dy <= Math.min(reach, height - 1 - y); dy++) {
        for (let dx = -Math.min(reach, x); dx <= Math.min(reach, width - 1 - x); dx++) {
          stack.push({ value: values[(y + dy) * width + x + dx]!, weight: neighbourWeight(dx, dy) })
        }
      }
      stack.sort((a, b) => a.value - b.value)
      result[y * width + x] = meanBetween(stack, window)
    }
  }
  return { values: result, width, height }
}

function meanBetween(
  stack: readonly { value: number; weight: number }[],
  window: { readonly from: number; readonly to: number },
): number {
  const total = stack.reduce((sum, { weight }) => sum + weight, 0)
  let [low, high] = [total * window.from, total * window.to]
  if (high - low < leastWindow) {
    const middle = (low + high) / 2
    high = Math.min(middle + leastWindow / 2, total)
    low = Math.max(high - leastWindow, 0)
    if (low === 0) high = leastWindow
  }
  let [sum, thickness, at] = [0, 0, 0]
  for (const { value, weight } of stack) {
    const overlap = Math.min(high, at + weight) - Math.max(low, at)
    if (overlap > 0) {
      sum += value * overlap
      thickness += overlap
    }
    at += weight
  }
  return thickness === 0 ? 0 : sum / thickness
}
