import { divideBy255 } from './channels.ts'
import { type Channels, type L8, type Picture, picture, type Rgba8 } from './picture.ts'

/** Weights between two colours have seven bits more than a byte. */
const weightBits = 7

/** v/255 for the range where v has those bits more: without the bias of `divideBy255`, which the caller adds. */
const over255 = (v: number) => ((v >> 8) + v) >> 8

/** `above` over `below`, straight alpha in and out (Porter and Duff's "over"), rounded as Pillow rounds it. */
export function alphaComposite(below: Rgba8, above: Rgba8): Rgba8 {
  if (below.width !== above.width || below.height !== above.height) {
    throw new Error(`internal: ${above.width}x${above.height} over ${below.width}x${below.height}`)
  }
  const result = picture(4, below.width, below.height, below.data.slice())
  for (let i = 0; i < result.data.length; i += 4) {
    const alpha = above.data[i + 3]!
    if (alpha === 0) continue
    const alpha255 = alpha * 255 + below.data[i + 3]! * (255 - alpha)
    const weight = Math.floor((alpha * 255 * 255 * (1 << weightBits)) / alpha255)
    const rest = 255 * (1 << weightBits) - weight
    for (let c = 0; c < 3; c++) {
      const sum = above.data[i + c]! * weight + below.data[i + c]! * rest
      result.data[i + c] = over255(sum + (0x80 << weightBits)) >> weightBits
    }
    result.data[i + 3] = over255(alpha255 + 0x80)
  }
  return result
}

/** `source` where the mask is 255, `target` where it is 0, mixed between: every channel alike, alpha included. */
export function mixed<C extends Channels>(target: Picture<C>, source: Picture<C>, mask: L8): Picture<C> {
  const result = picture(target.channels, target.width, target.height)
  if (source.data.length !== result.data.length || mask.data.length * target.channels !== result.data.length) {
    throw new Error('internal: mixing pictures of different sizes')
  }
  for (let i = 0; i < result.data.length; i++) {
    const weight = mask.data[Math.floor(i / target.channels)]!
    result.data[i] = divideBy255(target.data[i]! * (255 - weight) + source.data[i]! * weight)
  }
  return result
}
