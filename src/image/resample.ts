import { divideBy255 } from './channels.ts'
import { type Channels, type Picture, picture } from './picture.ts'
import { antialiasTaps, type Kernel, kernels, type Taps } from './taps.ts'

/** Filters by their common names; all widen with the scale when a picture shrinks (they antialias), except `nearest`. */
export type Filter = 'nearest' | 'box' | 'bilinear' | 'bicubic' | 'lanczos'

/** 8 bits of pixel and 2 of headroom for overshoot leave 22 for the fraction in 32-bit sums. */
const fractionBits = 22
const half = 1 << (fractionBits - 1)

function fixedPoint({ weights }: Taps): Int32Array {
  return Int32Array.from(weights, (unit) => Math.trunc(unit * (1 << fractionBits) + (unit < 0 ? -0.5 : 0.5)))
}

const clamp8 = (v: number) => (v < 0 ? 0 : v > 255 ? 255 : v)

function resampleRows<C extends Channels>(source: Picture<C>, width: number, kernel: Kernel): Picture<C> {
  const { channels, height } = source
  const taps = antialiasTaps(source.width, width, kernel)
  const weights = fixedPoint(taps)
  const result = picture(channels, width, height)
  const { data } = source
  let out = 0
  for (let y = 0; y < height; y++) {
    const row = y * source.width * channels
    for (let x = 0; x < width; x++) {
      const start = row + taps.first[x]! * channels
      const end = start + taps.count[x]! * channels
      for (let c = 0; c < channels; c++) {
        let sum = half
        let tap = x * taps.stride
        for (let at = start + c; at < end; at += channels) sum = (sum + Math.imul(data[at]!, weights[tap++]!)) | 0
        result.data[out++] = clamp8(sum >> fractionBits)
      }
    }
  }
  return result
}

function resampleColumns<C extends Channels>(source: Picture<C>, height: number, kernel: Kernel): Picture<C> {
  const { channels, width } = source
  const taps = antialiasTaps(source.height, height, kernel)
  const weights = fixedPoint(taps)
  const result = picture(channels, width, height)
  const rowBytes = width * channels
  const sums = new Int32Array(rowBytes)
  for (let y = 0; y < height; y++) {
    sums.fill(half)
    for (let i = 0; i < taps.count[y]!; i++) {
      const weight = weights[y * taps.stride + i]!
      const offset = (taps.first[y]! + i) * rowBytes
      for (let b = 0; b < rowBytes; b++) sums[b]! += Math.imul(source.data[offset + b]!, weight)
    }
    for (let b = 0; b < rowBytes; b++) result.data[y * rowBytes + b] = clamp8(sums[b]! >> fractionBits)
  }
  return result
}

/** Input position per output position. The running sum, not a product, is what the reference's rounding comes from. */
function nearestPositions(sizeIn: number, sizeOut: number): Int32Array {
  const scale = sizeIn / sizeOut
  const positions = new Int32Array(sizeOut)
  let at = scale * 0.5
  for (let out = 0; out < sizeOut; out++) {
    positions[out] = Math.min(Math.trunc(at), sizeIn - 1)
    at += scale
  }
  return positions
}

function nearest<C extends Channels>(source: Picture<C>, width: number, height: number): Picture<C> {
  const { channels } = source
  const result = picture(channels, width, height)
  const xs = nearestPositions(source.width, width)
  const ys = nearestPositions(source.height, height)
  let out = 0
  for (const y of ys) {
    for (const x of xs) {
      const from = (y * source.width + x) * channels
      for (let c = 0; c < channels; c++) result.data[out++] = source.data[from + c]!
    }
  }
  return result
}

/** Colour times alpha, so that invisible pixels lend no colour to their neighbours. */
export function premultiplied(source: Picture<4>): Picture<4> {
  const data = source.data.slice()
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!
    for (let c = 0; c < 3; c++) data[i + c] = divideBy255(data[i + c]! * alpha)
  }
  return { ...source, data }
}

/** Colour divided by alpha: the way back from `premultiplied`. */
export function straightened(source: Picture<4>): Picture<4> {
  const data = source.data.slice()
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!
    if (alpha === 0 || alpha === 255) continue
    for (let c = 0; c < 3; c++) data[i + c] = clamp8(Math.trunc((255 * data[i + c]!) / alpha))
  }
  return { ...source, data }
}

/**
 * The picture at another size, bit for bit as Pillow resizes: separable convolution in 22-bit fixed point,
 * rows first, each pass rounded to 8 bits; colour is weighted by alpha. An axis that keeps its size is untouched.
 */
export function resample<C extends Channels>(
  source: Picture<C>,
  width: number,
  height: number,
  filter: Filter,
): Picture<C> {
  if (source.width === width && source.height === height) return source
  if (width < 1 || height < 1 || source.width < 1 || source.height < 1) {
    throw new Error(`internal: resample ${source.width}x${source.height} to ${width}x${height}`)
  }
  if (filter === 'nearest') return nearest(source, width, height)
  if (source.channels === 4) {
    const rgba = convolve(premultiplied(source as Picture<4>), width, height, kernels[filter])
    return straightened(rgba) as Picture<Channels> as Picture<C>
  }
  return convolve(source, width, height, kernels[filter])
}

function convolve<C extends Channels>(source: Picture<C>, width: number, height: number, kernel: Kernel): Picture<C> {
  const wide = source.width === width ? source : resampleRows(source, width, kernel)
  return wide.height === height ? wide : resampleColumns(wide, height, kernel)
}
