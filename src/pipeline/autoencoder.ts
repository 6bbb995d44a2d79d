import { decoderGraph, encoderGraph } from '../models/graphs.ts'
import { float32Emit } from '../nn/emit.ts'
import { combine } from '../tensor/combine.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import type { Model } from './model.ts'
import type { SessionPool } from './sessionPool.ts'
import { inTiles, type Tiling } from './tiles.ts'

/** Pixels across one point of a latent. */
export const latentScale = 8

/** Pictures whose latent has more points than this are decoded and encoded in tiles, for the sake of memory. */
const largestWhole = 160 * 160
const decoderTiles: Tiling = { size: 96, overlap: 16, scale: latentScale }
const encoderTiles: Tiling = { size: 96 * latentScale, overlap: 16 * latentScale, scale: 1 / latentScale }

/** A checkpoint's way between pictures and latents. */
export interface Autoencoder {
  /** Latents [B, 4, h, w], scaled as the UNet knows them → pictures [B, 3, 8h, 8w] in about −1…1. */
  decode(latent: Tensor): Promise<Tensor>
  /** Pictures [B, 3, 8h, 8w] in −1…1 → latents: the mean of what the encoder thinks possible, scaled. */
  encode(pixels: Tensor): Promise<Tensor>
}

/** The VAE of a model; pictures pass it one by one. `isTiling` makes opposite edges meet. */
export function autoencoder(model: Model, isTiling: boolean, pool: SessionPool): Autoencoder {
  const { config, weights } = model
  const options = { weights, emit: { ...float32Emit, padding: isTiling ? 'circular' : 'zeros' } as const }
  const key = `${model.checkpoint.path}|${model.vae?.path ?? ''}|${isTiling ? 'tiling' : ''}`

  const decodeOne = async (latent: Tensor): Promise<Tensor> => {
    const session = await pool.get('decoder', `${key}|decoder`, 'mapped', () => decoderGraph(config, options))
    const { picture } = await session.run({ latent })
    if (!picture) throw new Error('internal: a decoder without a picture')
    return picture
  }
  const encodeOne = async (picture: Tensor): Promise<Tensor> => {
    const session = await pool.get('encoder', `${key}|encoder`, 'mapped', () => encoderGraph(config, options))
    const { moments } = await session.run({ picture })
    if (!moments) throw new Error('internal: an encoder without moments')
    const [, channels, height, width] = moments.shape as [number, number, number, number]
    return { shape: [1, channels / 2, height, width], data: moments.data.slice(0, moments.data.length / 2) }
  }

  return {
    async decode(latent) {
      const raw = combine([1 / config.scaleFactor, latent])
      const isLarge = raw.shape[2]! * raw.shape[3]! > largestWhole
      return oneByOne(raw, (one) => (isLarge ? inTiles(one, decoderTiles, decodeOne) : decodeOne(one)))
    },
    async encode(pixels) {
      const isLarge = pixels.shape[2]! * pixels.shape[3]! > largestWhole * latentScale ** 2
      const means = await oneByOne(pixels, (one) => (isLarge ? inTiles(one, encoderTiles, encodeOne) : encodeOne(one)))
      return combine([config.scaleFactor, means])
    },
  }
}

async function oneByOne(batch: Tensor, run: (one: Tensor) => Promise<Tensor>): Promise<Tensor> {
  const results: Tensor[] = []
  for (let i = 0; i < batch.shape[0]!; i++) results.push(await run(rows(batch, i, i + 1)))
  return stack(results)
}
