import { fromLab, toLab } from './lab.ts'
import { type Picture, picture, type Rgb8 } from './picture.ts'

/**
 * Brings the colours of a generated picture back to those of the picture it came from: each Lab channel's histogram is
 * matched to the reference's, then the generated picture's own luminosity is laid over the result.
 */
export function matchColors(generated: Rgb8, reference: Rgb8): Rgb8 {
  return withLuminosityOf(generated, fromLab(matchHistograms(toLab(generated), toLab(reference))))
}

/**
 * Histogram matching by channel: a value is sent to where the reference's cumulative distribution reaches the same
 * height, linearly between its levels, cut to whole levels.
 */
export function matchHistograms(source: Picture<3>, reference: Picture<3>): Picture<3> {
  const result = picture(3, source.width, source.height)
  for (let c = 0; c < 3; c++) {
    const own = distribution(source, c)
    const wanted = distribution(reference, c)
    const levels = Uint8Array.from(own, (height) => interpolate(height, wanted))
    for (let i = c; i < source.data.length; i += 3) result.data[i] = levels[source.data[i]!]!
  }
  return result
}

/** Share of pixels at or below each level. */
function distribution(source: Picture<3>, channel: number): Float64Array {
  const counts = new Float64Array(256)
  for (let i = channel; i < source.data.length; i += 3) counts[source.data[i]!]! += 1
  const total = source.data.length / 3
  let sum = 0
  return counts.map((count) => {
    sum += count
    return sum / total
  })
}

/** The level at which a distribution reaches `height`, counting only levels that occur. */
function interpolate(height: number, heights: Float64Array): number {
  let below = -1
  for (let level = 0; level < 256; level++) {
    const occurs = heights[level]! > (level === 0 ? 0 : heights[level - 1]!)
    if (!occurs) continue
    if (heights[level]! === height) return level
    if (heights[level]! > height) {
      if (below === -1) return level
      const slope = (level - below) / (heights[level]! - heights[below]!)
      return slope * (height - heights[below]!) + below
    }
    below = level
  }
  return below
}

/**
 * The W3C blend mode "luminosity": hue and saturation of `colors` at the luma of `light`, pulled towards that grey
 * where a channel would leave the range. Luma here is ITU-R 601's.
 */
function withLuminosityOf(light: Rgb8, colors: Rgb8): Rgb8 {
  const luma = (r: number, g: number, b: number) => 0.299 * r + 0.587 * g + 0.114 * b
  const result = picture(3, light.width, light.height)
  const color = [0, 0, 0]
  for (let i = 0; i < light.data.length; i += 3) {
    const [r, g, b] = [colors.data[i]! / 255, colors.data[i + 1]! / 255, colors.data[i + 2]! / 255]
    const wanted = luma(light.data[i]! / 255, light.data[i + 1]! / 255, light.data[i + 2]! / 255)
    const shift = wanted - luma(r, g, b)
    color[0] = r + shift
    color[1] = g + shift
    color[2] = b + shift
    const grey = luma(color[0], color[1], color[2])
    const least = Math.min(...color)
    const most = Math.max(...color)
    for (let c = 0; c < 3; c++) {
      if (least < 0) color[c] = grey + ((color[c]! - grey) * grey) / (grey - least)
      if (most > 1) color[c] = grey + ((color[c]! - grey) * (1 - grey)) / (most - grey)
      result.data[i + c] = Math.min(Math.max(color[c]! * 255, 0), 255)
    }
  }
  return result
}
