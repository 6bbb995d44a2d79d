import { type Complex, fourier2d } from '../tensor/fourier.ts'
import { pcg64 } from '../tensor/pcg64.ts'
import { type L8, picture, type Rgb8 } from './picture.ts'

/** How the noise of `matchedNoise` looks. */
export interface NoiseLook {
  /** Exponent on the picture's spectrum: lower keeps more detail. */
  readonly fallOff: number
  /** Share of the noise that differs between the colours, 0 to 1. */
  readonly colorVariation: number
}

/**
 * A picture with noise where the mask is white, of the spectrum and the colours of the rest (after "outpainting mk2" of
 * g-diffuser-bot): noise is shaped by the picture's Fourier amplitudes and phases, then its histogram is matched. Sides
 * must be even. The mask is black or white.
 */
export function matchedNoise(source: Rgb8, mask: L8, { fallOff, colorVariation }: NoiseLook): Rgb8 {
  const { width, height } = source
  const area = width * height
  const isMasked = (i: number) => mask.data[i] !== 0
  const channels = [0, 1, 2].map((c) => Float64Array.from({ length: area }, (_, i) => source.data[i * 3 + c]! / 255))
  const kept = channels.map((values) => values.map((value, i) => (isMasked(i) ? 0 : value)))
  const brightest = kept.reduce((most, values) => values.reduce((a, b) => Math.max(a, b), most), 0)
  const mean = channels.reduce((sum, values) => sum + values.reduce((a, b) => a + b, 0), 0) / (3 * area)
  const spectra = kept.map((values) =>
    spectrumOf(
      values.map((value, i) => (brightest > 0 ? value / brightest : 0) + (isMasked(i) ? mean : 0)),
      height,
      width,
    ),
  )
  const noise = softNoise(height, width, colorVariation)
  const shaped = spectra.map((spectrum, c) => shapedBy(spectrum, noise[c]!, fallOff, height, width))
  const least = shaped.reduce((low, values) => values.reduce((a, b) => Math.min(a, b), low), Number.POSITIVE_INFINITY)
  const most = shaped.reduce((high, values) => values.reduce((a, b) => Math.max(a, b), high), Number.NEGATIVE_INFINITY)
  const range = most - least

  const result = picture(3, width, height, source.data.slice())
  for (const [c, values] of shaped.entries()) {
    const own: number[] = []
    const wanted: number[] = []
    for (let i = 0; i < area; i++) {
      if (isMasked(i)) own.push(range > 0 ? (values[i]! - least) / range : 0)
      else wanted.push(channels[c]![i]!)
    }
    const matched = wanted.length === 0 ? own : matchValues(own, wanted)
    let next = 0
    for (let i = 0; i < area; i++) {
      if (isMasked(i)) result.data[i * 3 + c] = Math.min(Math.max(matched[next++]!, 0), 1) * 255
    }
  }
  return result
}

function spectrumOf(values: Float64Array, rows: number, columns: number): Complex {
  return fourier2d({ re: values, im: new Float64Array(values.length) }, rows, columns, 'forward')
}

/** Three channels of noise that is smoother than white, always the same one. */
function softNoise(rows: number, columns: number, colorVariation: number): Float64Array[] {
  const area = rows * columns
  const draw = pcg64(0)
  const channels = [0, 1, 2].map(() => new Float64Array(area))
  for (let i = 0; i < area; i++) {
    for (const values of channels) values[i] = draw()
    const grey = channels.reduce((sum, values) => sum + values[i]!, 0) / 3
    for (const values of channels) values[i] = values[i]! * colorVariation + (1 - colorVariation) * grey
  }
  const window = decay(rows, columns)
  return channels.map((values) => {
    const { re, im } = spectrumOf(values, rows, columns)
    const softer = { re: re.map((v, i) => v * window[i]!), im: im.map((v, i) => v * window[i]!) }
    return fourier2d(softer, rows, columns, 'inverse').re
  })
}

/** 1 / ((x² + 1)(y² + 1)) from the middle, the shorter side reaching from −1 to 1. */
function decay(rows: number, columns: number): Float64Array {
  const shorter = Math.min(rows, columns)
  const along = (i: number, n: number) => ((i / n) * 2 - 1) * (n / shorter)
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const y = along(Math.floor(i / columns), rows)
    const x = along(i % columns, columns)
    return 1 / ((y ** 2 + 1) * (x ** 2 + 1))
  })
}

/** Noise given the amplitudes (to a power) and the phases of a spectrum. */
function shapedBy(
  spectrum: Complex,
  noise: Float64Array,
  fallOff: number,
  rows: number,
  columns: number,
): Float64Array {
  const own = spectrumOf(noise, rows, columns)
  const shape = { re: new Float64Array(noise.length), im: new Float64Array(noise.length) }
  for (let i = 0; i < noise.length; i++) {
    const amplitude = Math.hypot(spectrum.re[i]!, spectrum.im[i]!)
    if (amplitude === 0) continue
    const factor = ((own.re[i]! ** 2 + own.im[i]! ** 2) * amplitude ** fallOff) / amplitude
    shape.re[i] = factor * spectrum.re[i]!
    shape.im[i] = factor * spectrum.im[i]!
  }
  return fourier2d(shape, rows, columns, 'inverse').re
}

/** Values moved to where others of the same rank lie: histogram matching of real numbers. */
function matchValues(own: readonly number[], wanted: readonly number[]): number[] {
  const from = ranks(own)
  const to = ranks(wanted)
  const moved = new Map<number, number>()
  let at = 0
  for (const [value, share] of from) {
    while (at < to.length && to[at]![1] < share) at++
    if (at === 0 || at === to.length) {
      moved.set(value, to[Math.min(at, to.length - 1)]![0])
      continue
    }
    const [low, lowShare] = to[at - 1]!
    const [high, highShare] = to[at]!
    moved.set(value, low + ((high - low) * (share - lowShare)) / (highShare - lowShare))
  }
  return own.map((value) => moved.get(value)!)
}

/** Distinct values in order, each with the share of values up to it. */
function ranks(values: readonly number[]): (readonly [value: number, share: number])[] {
  const sorted = Float64Array.from(values).sort()
  const found: [number, number][] = []
  for (const [i, value] of sorted.entries()) {
    if (sorted[i + 1] !== value) found.push([value, (i + 1) / sorted.length])
  }
  return found
}
