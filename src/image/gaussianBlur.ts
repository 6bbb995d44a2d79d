import { type Channels, type Picture, picture } from './picture.ts'

/** Kernels are sums of 256ths. */
const unit = 256

/**
 * A Gaussian kernel of `size` 256ths that add up to exactly 256: each weight is rounded and its rounding error carried
 * on towards the middle, which takes what is left.
 */
function kernelOf(size: number, sigma: number): Int32Array {
  const middle = (size - 1) / 2
  const exact = Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - middle) ** 2) / (2 * sigma * sigma)))
  const sum = exact.reduce((total, weight) => total + weight, 0)
  const kernel = new Int32Array(size)
  let error = 0
  let used = 0
  for (let i = 0; i < middle; i++) {
    const wanted = (exact[i]! / sum) * unit + error
    const weight = Math.round(wanted)
    error = wanted - weight
    kernel[i] = weight
    kernel[size - 1 - i] = weight
    used += 2 * weight
  }
  kernel[middle] = unit - used
  return kernel
}

/** The pixel that stands for one outside: mirrored at the edge, which is not repeated (dcb|abcd|cba). */
function mirrored(index: number, size: number): number {
  if (size === 1) return 0
  const period = 2 * (size - 1)
  const within = ((index % period) + period) % period
  return within < size ? within : period - within
}

function blurAxis(data: Uint8Array, lines: readonly number[], step: number, size: number, kernel: Int32Array): void {
  const reach = (kernel.length - 1) / 2
  const padded = new Uint8Array(size + 2 * reach)
  for (const start of lines) {
    for (let i = 0; i < padded.length; i++) padded[i] = data[start + mirrored(i - reach, size) * step]!
    for (let i = 0; i < size; i++) {
      let sum = unit / 2
      for (let k = 0; k < kernel.length; k++) sum += padded[i + k]! * kernel[k]!
      data[start + i * step] = sum >> 8
    }
  }
}

/** Kernel length of a mask blur: five standard deviations, always odd. */
function kernelSize(sigma: number): number {
  return 2 * Math.trunc(2.5 * sigma + 0.5) + 1
}

/**
 * Gaussian blur in 8-bit fixed point with a standard deviation for each axis (0 leaves an axis alone), rounded after
 * each axis: the arithmetic of OpenCV's blur of bytes, used for masks.
 */
export function gaussianBlur<C extends Channels>(source: Picture<C>, sigmaX: number, sigmaY: number): Picture<C> {
  const { channels, width, height } = source
  const result = picture(channels, width, height, source.data.slice())
  const rowBytes = width * channels
  if (sigmaX > 0) {
    const rows = Array.from(
      { length: height * channels },
      (_, i) => Math.floor(i / channels) * rowBytes + (i % channels),
    )
    blurAxis(result.data, rows, channels, width, kernelOf(kernelSize(sigmaX), sigmaX))
  }
  if (sigmaY > 0) {
    const columns = Array.from({ length: rowBytes }, (_, i) => i)
    blurAxis(result.data, columns, rowBytes, height, kernelOf(kernelSize(sigmaY), sigmaY))
  }
  return result
}
