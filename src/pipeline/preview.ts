import type { Rgb8 } from '../image/picture.ts'
import { fromPixels } from '../image/pixels.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { standInDecode } from './standIn.ts'
import type { Studio } from './studio.ts'

/**
 * What the latents of a step, [batch, 4, h, w], will look like: by the best small decoder that the data folder has, or
 * one pixel for each point by a linear guess, which costs nothing.
 */
export async function previewPictures({ library, pool }: Studio, denoised: Tensor): Promise<Rgb8[]> {
  for (const method of ['TAESD', 'Approx NN'] as const) {
    const file = library.standIn(method, 'decoder')
    if (file) return fromPixels(await standInDecode({ method, file }, denoised, pool))
  }
  return fromPixels(await standInDecode({ method: 'Approx cheap' }, denoised, pool))
}
