import { type Channels, type Picture, picture } from './picture.ts'

/**
 * A smaller picture whose pixels are means over the area they come from, parts of pixels counted by the part: what OpenCV
 * calls INTER_AREA.
 */
export function areaResize<C extends Channels>(source: Picture<C>, width: number, height: number): Picture<C> {
  const { channels } = source
  const [xs, ys] = [covers(source.width, width), covers(source.height, height)]
  const result = picture(channels, width, height)
  const rows = new Float64Array(source.height * width * channels)
  for (let y = 0; y < source.height; y++) {
    for (const [x, cover] of xs.entries()) {
      for (let c = 0; c < channels; c++) {
        let sum = 0
        for (const [from, weight] of cover) sum += weight * source.data[(y * source.width + from) * channels + c]!
        rows[(y * width + x) * channels + c] = sum
      }
    }
  }
  const perRow = width * channels
  for (const [y, cover] of ys.entries()) {
    for (let i = 0; i < perRow; i++) {
      let sum = 0
      for (const [from, weight] of cover) sum += weight * rows[from * perRow + i]!
      result.data[y * perRow + i] = Math.round(sum)
    }
  }
  return result
}

/** For each position of the smaller axis, the positions of the larger one it covers and their shares. */
function covers(sizeIn: number, sizeOut: number): readonly (readonly (readonly [number, number])[])[] {
  const scale = sizeIn / sizeOut
  return Array.from({ length: sizeOut }, (_, out) => {
    const [from, to] = [out * scale, Math.min((out + 1) * scale, sizeIn)]
    const parts: [number, number][] = []
    for (let i = Math.floor(from); i < to; i++) {
      const covered = Math.min(to, i + 1) - Math.max(from, i)
      if (covered > 1e-9) parts.push([i, covered / (to - from)])
    }
    return parts
  })
}
