import { interpolate } from '../image/interpolate.ts'
import type { L8 } from '../image/picture.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import type { Autoencoder } from './autoencoder.ts'
import { latentScale } from './autoencoder.ts'

/** What an inpainting UNet may see of a picture. */
export interface Seen {
  /** [1 or batch, 3, H, W] in −1…1. */
  readonly pixels: Tensor
  /** White is hidden; undefined hides everything. */
  readonly mask: L8 | undefined
  readonly round: boolean
  /** 1 hides what is masked, 0 shows it all the same. */
  readonly weight: number
}

/**
 * The channels that an inpainting UNet reads behind those of the latent [batch, 4, h, w]: the mask, then the encoded
 * picture without what is hidden. With nothing to see it is given a grey picture, all of it masked.
 */
export async function inpaintingChannels(
  vae: Autoencoder,
  latent: readonly number[],
  seen: Seen | undefined,
): Promise<Tensor> {
  const [batch, , height, width] = latent as [number, number, number, number]
  const shown = seen ?? {
    pixels: {
      shape: [1, 3, height * latentScale, width * latentScale],
      data: new Float32Array(3 * height * width * latentScale ** 2),
    },
    mask: undefined,
    round: true,
    weight: 1,
  }
  const [, , fullHeight, fullWidth] = shown.pixels.shape as [number, number, number, number]
  const area = fullHeight * fullWidth
  const hidden = new Float32Array(area).fill(1)
  if (shown.mask) {
    for (let i = 0; i < area; i++) {
      const value = shown.mask.data[i]! / 255
      hidden[i] = shown.round ? Math.round(value) : value
    }
  }
  const pixels = shown.pixels.data.map((value, i) => value + shown.weight * (value * (1 - hidden[i % area]!) - value))
  const { mean: encoded } = await vae.encode({ shape: shown.pixels.shape, data: pixels })
  const mask = interpolate({ shape: [1, 1, fullHeight, fullWidth], data: hidden }, [height, width], 'nearest')

  const joined = Array.from({ length: batch }, (_, i) => {
    const picture = rows(encoded, i % encoded.shape[0]!, (i % encoded.shape[0]!) + 1)
    const data = new Float32Array(mask.data.length + picture.data.length)
    data.set(mask.data)
    data.set(picture.data, mask.data.length)
    return { shape: [1, 1 + picture.shape[1]!, height, width], data }
  })
  return stack(joined)
}
