import { interpolate } from '../image/interpolate.ts'
import { fromPixels, toPixels } from '../image/pixels.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Autoencoder, drawLatents, latentScale } from './autoencoder.ts'
import { hiresSize } from './hiresSize.ts'
import { latentUpscalers } from './latentUpscale.ts'
import type { Hires, ImagePlan, Recipe } from './recipe.ts'
import { type UpscaleStep, upscale } from './upscale.ts'

/** Where the second pass starts. */
export interface HiresStart {
  /** [batch, 4, h, w]. */
  readonly latent: Tensor
  /** The first pass decoded, [batch, 3, H, W], where that was done. */
  readonly decoded: Tensor | undefined
}

/** The VAEs of the first pass's checkpoint and of the second's. */
export interface HiresVaes {
  readonly first: Autoencoder
  readonly second: Autoencoder
}

/** Enlarges what the first pass made: its latent, or its picture. `upscaler` serves the second way. */
export async function hiresStart(
  recipe: Recipe,
  images: readonly ImagePlan[],
  hires: Hires,
  latent: Tensor | undefined,
  vaes: HiresVaes,
  upscaler: UpscaleStep | undefined,
): Promise<HiresStart> {
  const seeds = images.map(({ seed }) => seed)
  const { upscaled, cut } = hiresSize(hires.target, recipe)
  const mode = latentUpscalers.get(hires.upscaler)
  const given = hires.firstPicture && toPixels([hires.firstPicture])
  if (mode) {
    const source = latent ?? drawLatents(await vaes.second.encode(given!), seeds)
    const size = [Math.floor(upscaled.height / latentScale), Math.floor(upscaled.width / latentScale)] as const
    const decoded = hires.keepFirstPass && latent ? await vaes.first.decode(latent) : undefined
    return { latent: cutAround(interpolate(source, size, mode), cut), decoded }
  }
  const decoded = given ?? (await vaes.first.decode(latent!))
  const enlarged = []
  for (const picture of fromPixels(decoded)) {
    enlarged.push(await upscale(picture, upscaled.width, upscaled.height, upscaler))
  }
  return { latent: cutAround(drawLatents(await vaes.second.encode(toPixels(enlarged)), seeds), cut), decoded }
}

/** The latent without so many rows and columns; of an odd number the larger half goes at the end. */
function cutAround(latent: Tensor, cut: { readonly width: number; readonly height: number }): Tensor {
  const [batch, channels, height, width] = latent.shape as [number, number, number, number]
  const top = Math.floor(cut.height / 2)
  const left = Math.floor(cut.width / 2)
  const newHeight = height - cut.height
  const newWidth = width - cut.width
  if (newHeight === height && newWidth === width) return latent
  const data = new Float32Array(batch * channels * newHeight * newWidth)
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let y = 0; y < newHeight; y++) {
      const from = (plane * height + top + y) * width + left
      data.set(latent.data.subarray(from, from + newWidth), (plane * newHeight + y) * newWidth)
    }
  }
  return { shape: [batch, channels, newHeight, newWidth], data }
}
