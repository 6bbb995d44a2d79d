import type { Tensor } from '../tensor/tensor.ts'
import { picture, type Rgb8 } from './picture.ts'

/**
 * Pictures of one size as the VAE encoder wants them: [B, 3, H, W] in −1…1.
 * Each operation rounds to float32, as the reference's arrays do.
 */
export function toPixels(pictures: readonly Rgb8[]): Tensor {
  const first = pictures[0]
  if (!first) throw new Error('internal: pixels of no picture')
  const area = first.width * first.height
  const data = new Float32Array(pictures.length * 3 * area)
  const level = Float32Array.from({ length: 256 }, (_, value) => 2 * Math.fround(value / 255) - 1)
  for (const [b, source] of pictures.entries()) {
    if (source.width !== first.width || source.height !== first.height) {
      throw new Error(`internal: a ${source.width}x${source.height} picture among ${first.width}x${first.height} ones`)
    }
    for (let i = 0; i < area; i++) {
      for (let c = 0; c < 3; c++) data[(b * 3 + c) * area + i] = level[source.data[i * 3 + c]!]!
    }
  }
  return { shape: [pictures.length, 3, first.height, first.width], data }
}

/** What the VAE decoder returned, [B, 3, H, W] in −1…1, as pictures: ⌊255·clamp((y + 1)/2, 0, 1)⌋ in float32. */
export function fromPixels(pixels: Tensor): Rgb8[] {
  const [batch, channels, height, width] = pixels.shape as [number, number, number, number]
  if (channels !== 3) throw new Error(`internal: pixels of shape [${pixels.shape}], expected 3 channels`)
  const area = height * width
  return Array.from({ length: batch }, (_, b) => {
    const result = picture(3, width, height)
    for (let c = 0; c < 3; c++) {
      const plane = pixels.data.subarray((b * 3 + c) * area, (b * 3 + c + 1) * area)
      for (let i = 0; i < area; i++) {
        const unit = Math.min(Math.max(Math.fround(plane[i]! + 1) / 2, 0), 1)
        result.data[i * 3 + c] = Math.fround(255 * unit)
      }
    }
    return result
  })
}
