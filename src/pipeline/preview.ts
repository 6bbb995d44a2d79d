import { openWeights } from '../files/openWeights.ts'
import type { Rgb8 } from '../image/picture.ts'
import { fromPixels } from '../image/pixels.ts'
import { approximatePictures } from '../models/approxPreview.ts'
import { detectTinyDecoder, tinyDecoderGraph } from '../models/taesd.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Studio } from './studio.ts'

/**
 * What the latents of a step, [batch, 4, h, w], will look like: decoded by TAESD where models/VAE-taesd has it, else
 * one pixel for each point by a linear guess, which costs nothing.
 */
export async function previewPictures(studio: Studio, denoised: Tensor): Promise<Rgb8[]> {
  const decoder = studio.library.previewDecoder()
  return decoder ? fromPixels(await tinyDecode(studio, decoder.path, denoised)) : approximatePictures(denoised)
}

/** Latents as the UNet knows them → pictures [batch, 3, 8h, 8w] in −1…1, by the small decoder in a file. */
export async function tinyDecode({ pool }: Studio, path: string, latent: Tensor): Promise<Tensor> {
  const session = await pool.get('preview', path, 'mapped', () =>
    tinyDecoderGraph(detectTinyDecoder(openWeights(path))),
  )
  const { picture } = await session.run({ latent })
  if (!picture) throw new Error('internal: a preview decoder without a picture')
  return picture
}
