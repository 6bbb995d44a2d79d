import type { Tensor } from '../tensor/tensor.ts'

/** What each channel of an SD 1 or SD 2 latent adds to red, green and blue: a fit to the decoder, of A1111. */
const colours = [
  [0.298, 0.207, 0.208],
  [0.187, 0.286, 0.173],
  [-0.158, 0.189, 0.264],
  [-0.184, -0.271, -0.473],
] as const

/**
 * A1111's "Approx cheap": one pixel for each point of a latent [B, 4, H, W], without any network → [B, 3, H, W] in
 * about −1…1.
 */
export function approximateColours(latent: Tensor): Tensor {
  const [batch, channels, height, width] = latent.shape as [number, number, number, number]
  if (channels !== colours.length) throw new Error(`internal: a latent of ${channels} channels has no linear preview`)
  const area = height * width
  const data = new Float32Array(batch * 3 * area)
  for (let b = 0; b < batch; b++) {
    for (const [from, shares] of colours.entries()) {
      const plane = latent.data.subarray((b * channels + from) * area, (b * channels + from + 1) * area)
      for (const [to, share] of shares.entries()) {
        const at = (b * 3 + to) * area
        for (let i = 0; i < area; i++) data[at + i]! += share * plane[i]!
      }
    }
  }
  return { shape: [batch, 3, height, width], data }
}
