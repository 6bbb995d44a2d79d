import { type Channels, type Picture, picture } from './picture.ts'

const passes = 3
/** Weights are fractions of 2²⁴, so that 255 times their sum still fits 32 bits. */
const fractionBits = 24
const one = 2 ** fractionBits

/**
 * The half width, with a fraction, of the box that has σ's variance after three passes: a box of 2l + 1 whole pixels
 * with edge pixels of weight a (Gwosdek et al. 2011, "extended box filter"), in float32.
 */
function boxRadius(sigma: number): number {
  const f = Math.fround
  const variance = f(f(sigma * sigma) / passes)
  const length = f(Math.sqrt(12 * variance + 1))
  const whole = Math.floor((length - 1) / 2)
  const numerator = f(f(2 * whole + 1) * f(f(whole * f(whole + 1)) - f(3 * variance)))
  const edge = f(numerator / f(6 * f(variance - f(f(whole + 1) * f(whole + 1)))))
  return f(whole + edge)
}

/** One pass over a line of `size` pixels that are `step` bytes apart; what lies outside repeats the edge. */
function blurLine(line: Uint8Array, scratch: Uint8Array, at: number, step: number, size: number, radius: number): void {
  const whole = Math.trunc(radius)
  const weight = Math.trunc(Math.fround(one / Math.fround(radius * 2 + 1)))
  const edgeWeight = Math.trunc((one - (whole * 2 + 1) * weight) / 2)
  for (let i = 0; i < size; i++) scratch[i] = line[at + i * step]!
  const last = size - 1
  let sum = 0
  for (let i = -whole; i <= whole; i++) sum += scratch[Math.min(Math.max(i, 0), last)]!
  for (let i = 0; i < size; i++) {
    const before = scratch[Math.max(i - whole - 1, 0)]!
    const after = scratch[Math.min(i + whole + 1, last)]!
    line[at + i * step] = (sum * weight + (before + after) * edgeWeight + one / 2) >>> fractionBits
    sum += after - scratch[Math.max(i - whole, 0)]!
  }
}

/** Gaussian blur of standard deviation `sigma` as Pillow approximates it: three box passes along rows, then columns. */
export function pillowBlur<C extends Channels>(source: Picture<C>, sigma: number): Picture<C> {
  const { channels, width, height } = source
  const data = source.data.slice()
  if (sigma > 0) {
    const radius = boxRadius(sigma)
    const scratch = new Uint8Array(Math.max(width, height))
    for (let pass = 0; pass < passes; pass++) {
      for (let y = 0; y < height; y++) {
        for (let c = 0; c < channels; c++) blurLine(data, scratch, y * width * channels + c, channels, width, radius)
      }
    }
    for (let pass = 0; pass < passes; pass++) {
      for (let i = 0; i < width * channels; i++) blurLine(data, scratch, i, width * channels, height, radius)
    }
  }
  return picture(channels, width, height, data)
}
