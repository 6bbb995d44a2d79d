/** A resampling filter: its half width at scale 1 and its weight at a distance. */
export interface Kernel {
  readonly support: number
  readonly weight: (x: number) => number
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

/** Keys' cubic convolution; `a` is the slope at distance 1 (Keys 1981 gives −1/2, graphics toolkits often −3/4). */
export function cubicWeight(x: number, a: number): number {
  const t = Math.abs(x)
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a
  return 0
}

/** The filters that widen with the scale. */
export const kernels = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, weight: (x) => cubicWeight(x, -0.5) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
} as const satisfies Record<string, Kernel>

/**
 * What each output position along one axis is made of: `count[out]` inputs from `first[out]` on, with weights of
 * sum 1 at `weights[out·stride + i]`.
 */
export interface Taps {
  readonly first: Int32Array
  readonly count: Int32Array
  readonly weights: Float64Array
  readonly stride: number
}

/** Taps of a filter that widens with the scale when shrinking (antialiasing), cut off at the edges. */
export function antialiasTaps(sizeIn: number, sizeOut: number, { support, weight }: Kernel): Taps {
  const scale = sizeIn / sizeOut
  const widening = Math.max(scale, 1)
  const reach = support * widening
  const stride = Math.ceil(reach) * 2 + 1
  const first = new Int32Array(sizeOut)
  const count = new Int32Array(sizeOut)
  const weights = new Float64Array(sizeOut * stride)
  for (let out = 0; out < sizeOut; out++) {
    const center = (out + 0.5) * scale
    const from = Math.max(Math.trunc(center - reach + 0.5), 0)
    const taps = Math.min(Math.trunc(center + reach + 0.5), sizeIn) - from
    const own = weights.subarray(out * stride, out * stride + taps)
    let sum = 0
    for (let i = 0; i < taps; i++) {
      own[i] = weight((i + from - center + 0.5) * (1 / widening))
      sum += own[i]!
    }
    if (sum !== 0) for (let i = 0; i < taps; i++) own[i]! /= sum
    first[out] = from
    count[out] = taps
  }
  return { first, count, weights, stride }
}
