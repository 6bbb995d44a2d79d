import { areaResize } from '../../image/areaResize.ts'
import { toL, toRgb } from '../../image/channels.ts'
import { canny, laplacianVariance } from '../../image/edges.ts'
import { toLab } from '../../image/lab.ts'
import { type Box, type Channels, crop, type L8, type Picture, type Rgb8 } from '../../image/picture.ts'

/** Short side to which larger pictures are shrunk before detail is measured, so that their numbers compare. */
export const measuredSide = 512

/** Mean colours need no more pixels than this short side has. */
export const colourSide = 256

/** What is measured of one picture; thresholds lie in `checks.ts`. */
export interface Measures {
  readonly width: number
  readonly height: number
  /** Variance of the Laplacian at a short side of at most 512: below 100 nothing is sharp. */
  readonly sharpness: number
  /** Step between pixels at the borders of JPEG's 8 × 8 blocks over the step inside them: 1 without blocks. */
  readonly blockiness: number
  /** Percentiles 5, 50 and 99 of luma, 0 to 255. */
  readonly luma: { readonly p5: number; readonly p50: number; readonly p99: number }
  /** Shares of pixels that are black (at most 2) and white (at least 253). */
  readonly clipped: { readonly black: number; readonly white: number }
  /** How much lighter the rim is than the middle, in luma levels: a light behind the subject. */
  readonly backLight: number
  /** Distance of the mean colour from grey in Lab's a* and b*. */
  readonly cast: number
  /** Mean of HSV's saturation, 0 to 255. */
  readonly saturation: number
  /** Entropy of the grey levels over its largest value, 8 bits. */
  readonly entropy: number
  /** Share of edge pixels outside the subject (the middle 60 %, or the faces where they are known). */
  readonly backgroundEdges: number
}

/** Measures a picture; `subject` is where its subject is known to be. */
export function measure(source: Picture, subject?: readonly Box[]): Measures {
  const rgb = toRgb(source)
  const grey = toL(rgb)
  const { width, height } = rgb
  const sized = shrunkTo(grey, measuredSide)
  const boxes = (subject ?? [middle(grey)]).map((box) => scaled(box, sized.width / width, sized.height / height))
  const histogram = histogramOf(grey)
  const colours = shrunkTo(rgb, colourSide)
  return {
    width,
    height,
    sharpness: laplacianVariance(sized),
    blockiness: blockiness(grey),
    luma: { p5: percentile(histogram, 5), p50: percentile(histogram, 50), p99: percentile(histogram, 99) },
    clipped: { black: share(histogram, 0, 2), white: share(histogram, 253, 255) },
    backLight: backLight(grey),
    cast: colourCast(colours),
    saturation: meanSaturation(colours),
    entropy: entropyOf(histogram) / 8,
    backgroundEdges: edgeDensity(sized, boxes),
  }
}

/** A picture whose shorter side is at most `side`, its pixels means over areas. */
export function shrunkTo<C extends Channels>(source: Picture<C>, side: number): Picture<C> {
  const { width, height } = source
  const scale = side / Math.min(width, height)
  return scale >= 1 ? source : areaResize(source, Math.round(width * scale), Math.round(height * scale))
}

/** Shares of the grey levels. */
export function histogramOf({ data }: L8): Float64Array {
  const counts = new Float64Array(256)
  for (const level of data) counts[level]!++
  return counts.map((count) => count / data.length)
}

/** Shannon entropy of the grey levels, in bits. */
export function entropyOf(histogram: Float64Array): number {
  return histogram.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0)
}

/** The smallest level that at least `percent` of the pixels do not exceed. */
export function percentile(histogram: Float64Array, percent: number): number {
  let sum = 0
  for (const [level, p] of histogram.entries()) {
    sum += p
    if (sum >= percent / 100 - 1e-12) return level
  }
  return 255
}

function share(histogram: Float64Array, from: number, to: number): number {
  return histogram.subarray(from, to + 1).reduce((sum, p) => sum + p, 0)
}

/** Mean step across the columns and rows where JPEG's blocks meet, over the mean step elsewhere. */
export function blockiness({ width, height, data }: L8): number {
  let [borderSum, innerSum, borders, inners] = [0, 0, 0, 0]
  const tally = (index: number, step: number) => {
    if (index % 8 === 0) {
      borderSum += step
      borders++
    } else {
      innerSum += step
      inners++
    }
  }
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (x > 0) tally(x, Math.abs(data[i]! - data[i - 1]!))
      if (y > 0) tally(y, Math.abs(data[i]! - data[i - width]!))
    }
  }
  return borders === 0 || innerSum === 0 ? 1 : borderSum / borders / (innerSum / inners)
}

function middle({ width, height }: L8): Box {
  const [x, y] = [width * 0.2, height * 0.2]
  return { left: x, top: y, right: width - x, bottom: height - y }
}

function scaled({ left, top, right, bottom }: Box, x: number, y: number): Box {
  return { left: left * x, top: top * y, right: right * x, bottom: bottom * y }
}

function backLight(grey: L8): number {
  const { left, top, right, bottom } = middle(grey)
  const inner = crop(grey, {
    left: Math.round(left),
    top: Math.round(top),
    right: Math.round(right),
    bottom: Math.round(bottom),
  })
  const total = grey.data.reduce((sum, value) => sum + value, 0)
  const inside = inner.data.reduce((sum, value) => sum + value, 0)
  const outer = grey.data.length - inner.data.length
  return outer === 0 || inner.data.length === 0 ? 0 : (total - inside) / outer - inside / inner.data.length
}

/** Distance from grey of the mean of a* and b* (the grey-world assumption). */
export function colourCast(source: Rgb8): number {
  const { data } = toLab(source)
  let [a, b] = [0, 0]
  for (let i = 0; i < data.length; i += 3) {
    a += data[i + 1]! - 128
    b += data[i + 2]! - 128
  }
  const count = data.length / 3
  return Math.hypot(a / count, b / count)
}

/** Mean of 255·(max − min)/max over the pixels. */
export function meanSaturation({ data }: Rgb8): number {
  let sum = 0
  for (let i = 0; i < data.length; i += 3) {
    const max = Math.max(data[i]!, data[i + 1]!, data[i + 2]!)
    if (max > 0) sum += (255 * (max - Math.min(data[i]!, data[i + 1]!, data[i + 2]!))) / max
  }
  return sum / (data.length / 3)
}

/** Share of edge pixels among those outside the boxes. */
function edgeDensity(grey: L8, boxes: readonly Box[]): number {
  const edges = canny(grey, 100, 200)
  let [count, found] = [0, 0]
  for (let y = 0; y < grey.height; y++) {
    for (let x = 0; x < grey.width; x++) {
      if (boxes.some((box) => x >= box.left && x < box.right && y >= box.top && y < box.bottom)) continue
      count++
      if (edges.data[y * grey.width + x] === 255) found++
    }
  }
  return count === 0 ? 0 : found / count
}
