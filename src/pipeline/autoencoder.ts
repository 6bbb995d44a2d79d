import { decoderGraph, encoderGraph } from '../models/graphs.ts'
import { float32Emit } from '../nn/emit.ts'
import { combine } from '../tensor/combine.ts'
import { normalStream } from '../tensor/random.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import type { Model } from './model.ts'
import type { Recipe } from './recipe.ts'
import type { SessionPool } from './sessionPool.ts'
import { standInDecode, standInEncode } from './standIn.ts'
import { cut, inTiles, type Tiling } from './tiles.ts'

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
  /** Pictures [B, 3, 8h, 8w] in −1…1 → the latents they may have. */
  encode(pixels: Tensor): Promise<Posterior>
}

/** Latents [B, 4, h, w] that a picture may have, each number normal around a mean; scaled as the UNet knows them. */
export interface Posterior {
  readonly mean: Tensor
  readonly deviation: Tensor
}

/**
 * Latents drawn from a posterior, one for each seed, from picture `offset` on; where there are fewer pictures, they
 * are drawn from again.
 * The reference draws from PyTorch's global generator, which the noise of a picture with the same seed has just
 * seeded; the deviation of a trained VAE is so small that nobody sees it, but rounding does.
 */
export function drawLatents({ mean, deviation }: Posterior, seeds: readonly number[], offset = 0): Tensor {
  const count = mean.shape[0]!
  return stack(
    seeds.map((seed, i) => {
      const row = (offset + i) % count
      const own = rows(mean, row, row + 1)
      const spread = rows(deviation, row, row + 1).data
      const noise = normalStream('cpu', seed)(own.shape).data
      return { shape: own.shape, data: own.data.map((value, k) => value + spread[k]! * noise[k]!) }
    }),
  )
}

/** The VAE of a model, or what stands in for it; pictures pass it one by one. Tiling makes opposite edges meet. */
export function autoencoder(
  model: Model,
  { tiling, coding: { decoder, encoder } }: Pick<Recipe, 'tiling' | 'coding'>,
  pool: SessionPool,
): Autoencoder {
  const { config, weights } = model
  const options = { weights, emit: { ...float32Emit, padding: tiling ? 'circular' : 'zeros' } as const }
  const key = `${model.checkpoint.path}|${model.vae?.path ?? ''}|${tiling ? 'tiling' : ''}`

  const decodeOne = async (latent: Tensor): Promise<Tensor> => {
    const session = await pool.get('decoder', `${key}|decoder`, 'mapped', () => decoderGraph(config, options))
    const { picture } = await session.run({ latent })
    if (!picture) throw new Error('internal: a decoder without a picture')
    return picture
  }
  const encodeOne = async (picture: Tensor): Promise<Tensor> => {
    const [, , height, width] = picture.shape as [number, number, number, number]
    const isOpen = height % latentScale === 0 && width % latentScale === 0
    const place = isOpen ? 'open' : `${height}x${width}`
    const session = await pool.get('encoder', `${key}|encoder|${place}`, 'mapped', () =>
      encoderGraph(config, { ...options, ...(!isOpen && { size: { height, width } }) }),
    )
    const { moments } = await session.run({ picture })
    if (!moments) throw new Error('internal: an encoder without moments')
    return moments
  }

  return {
    async decode(latent) {
      if (decoder) return oneByOne(latent, (one) => standInDecode(decoder, one, pool))
      const raw = combine([1 / config.scaleFactor, latent])
      const isLarge = raw.shape[2]! * raw.shape[3]! > largestWhole
      return oneByOne(raw, (one) => (isLarge ? inTiles(one, decoderTiles, decodeOne) : decodeOne(one)))
    },
    async encode(pixels) {
      if (encoder) {
        const mean = await oneByOne(pixels, (one) => standInEncode(encoder.path, wholePoints(one), pool))
        return { mean, deviation: { shape: mean.shape, data: new Float32Array(mean.data.length) } }
      }
      const isLarge = pixels.shape[2]! * pixels.shape[3]! > largestWhole * latentScale ** 2
      const moments = await oneByOne(pixels, (one) =>
        isLarge ? inTiles(one, encoderTiles, encodeOne) : encodeOne(one),
      )
      return posteriorOf(moments, config.scaleFactor)
    },
  }
}

/** A picture without the pixels beyond the last whole point of its latent. */
function wholePoints(picture: Tensor): Tensor {
  const whole = (side: number) => Math.floor(side / latentScale) * latentScale
  return cut(picture, 0, 0, whole(picture.shape[2]!), whole(picture.shape[3]!))
}

/** Moments [B, 2·z, h, w]: means, then log-variances. */
function posteriorOf({ shape, data }: Tensor, scale: number): Posterior {
  const [batch, both, height, width] = shape as [number, number, number, number]
  const size = (both / 2) * height * width
  const half = (which: 0 | 1, of: (value: number) => number): Tensor => ({
    shape: [batch, both / 2, height, width],
    data: Float32Array.from({ length: batch * size }, (_, i) => {
      const row = Math.floor(i / size)
      return of(data[(2 * row + which) * size + (i % size)]!)
    }),
  })
  return {
    mean: half(0, (mean) => scale * mean),
    deviation: half(1, (logVariance) => scale * Math.exp(Math.min(Math.max(logVariance, -30), 20) / 2)),
  }
}

async function oneByOne(batch: Tensor, run: (one: Tensor) => Promise<Tensor>): Promise<Tensor> {
  const results: Tensor[] = []
  for (let i = 0; i < batch.shape[0]!; i++) results.push(await run(rows(batch, i, i + 1)))
  return stack(results)
}
