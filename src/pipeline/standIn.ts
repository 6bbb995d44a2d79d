import { openWeights } from '../files/openWeights.ts'
import { approximateColours } from '../models/approxColours.ts'
import { approxDecoderGraph } from '../models/approxDecoder.ts'
import { detectTinyCoder, tinyDecoderGraph, tinyEncoderGraph } from '../models/taesd.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { SessionPool } from './sessionPool.ts'

/** What decodes latents in the place of a VAE, by A1111's names. */
export type StandIn =
  | { readonly method: 'TAESD' | 'Approx NN'; readonly file: { readonly path: string } }
  | { readonly method: 'Approx cheap' }

/**
 * Latents as the UNet knows them, [batch, 4, h, w] → pictures [batch, 3, H, W] in about −1…1: eight times as large by
 * TAESD, twice by "Approx NN", and of a pixel for each point by "Approx cheap".
 */
export async function standInDecode(standIn: StandIn, latent: Tensor, pool: SessionPool): Promise<Tensor> {
  if (standIn.method === 'Approx cheap') return approximateColours(latent)
  const { path } = standIn.file
  const graph = () =>
    standIn.method === 'TAESD'
      ? tinyDecoderGraph(detectTinyCoder(openWeights(path), 'decoder'))
      : approxDecoderGraph(openWeights(path))
  const session = await pool.get('preview', `${path}|decoder`, 'mapped', graph)
  const { picture } = await session.run({ latent })
  if (!picture) throw new Error('internal: a preview decoder without a picture')
  return picture
}

/** Pictures [batch, 3, 8h, 8w] in −1…1 → latents [batch, 4, h, w] as the UNet knows them, by TAESD's encoder. */
export async function standInEncode(path: string, picture: Tensor, pool: SessionPool): Promise<Tensor> {
  const graph = () => tinyEncoderGraph(detectTinyCoder(openWeights(path), 'encoder'))
  const session = await pool.get('preview', `${path}|encoder`, 'mapped', graph)
  const { latent } = await session.run({ picture })
  if (!latent) throw new Error('internal: an encoder without a latent')
  return latent
}
