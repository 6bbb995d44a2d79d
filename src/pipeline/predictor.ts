import type { Predict } from '../diffusion/guidance.ts'
import { unetGraph } from '../models/graphs.ts'
import { float32Emit } from '../nn/emit.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import type { AdaptedModel } from './networks.ts'
import type { ReadySession, SessionPool } from './sessionPool.ts'

/** How a UNet is run, besides its weights. */
export interface UnetUse {
  readonly tiling: boolean
  readonly tokenMergingRatio: number
  /** What an inpainting UNet reads beside the latent: for each picture [mask and masked latent, height, width]. */
  readonly extraChannels: Tensor | undefined
}

/**
 * A model's UNet. Pictures of a batch go through it one by one, each with all the texts it is conditioned on: so no
 * picture depends on its neighbours, and a batch needs no more memory than a picture.
 */
export function predictor(adapted: AdaptedModel, use: UnetUse, pool: SessionPool): Predict {
  return async (x, timestep, asked) => {
    const [, , height, width] = x.shape as [number, number, number, number]
    const session = await unetSession(adapted, use, { height, width }, pool)
    const parts: Tensor[] = []
    const images = [...new Set(asked.map(({ image }) => image))]
    for (const image of images) {
      const places = asked.flatMap((row, place) => (row.image === image ? [place] : []))
      const { prediction } = await session.run({
        latent: withChannels(stack(places.map((place) => rows(x, place, place + 1))), use.extraChannels, image),
        timesteps: { shape: [places.length], data: new Float32Array(places.length).fill(timestep) },
        context: stack(places.map((place) => oneOf(asked[place]!.context))),
        ...adapted.feeds(session, places.length, image),
      })
      if (!prediction) throw new Error('internal: a UNet without a prediction')
      places.forEach((place, row) => {
        parts[place] = rows(prediction, row, row + 1)
      })
    }
    return stack(parts)
  }
}

/** The UNet's session for a latent size: one serves all sizes that halve evenly on the way down. */
export function unetSession(
  adapted: AdaptedModel,
  { tiling, tokenMergingRatio }: UnetUse,
  size: { readonly height: number; readonly width: number },
  pool: SessionPool,
): Promise<ReadySession> {
  const { config } = adapted.model
  const branches = adapted.branches('unet')
  const multiple = 2 ** (config.unet.mult.length - 1)
  const isOpen = tokenMergingRatio === 0 && size.height % multiple === 0 && size.width % multiple === 0
  const place = isOpen ? 'open' : `${size.height}x${size.width}`
  const key = [adapted.key, 'unet', branches?.reach ?? '', tiling ? 'tiling' : '', tokenMergingRatio, place].join('|')
  return pool.get('unet', key, 'auto', () =>
    unetGraph(config, {
      weights: adapted.weights,
      emit: { ...float32Emit, padding: tiling ? 'circular' : 'zeros' },
      tokenMergingRatio,
      ...(branches && { adapter: branches.adapter }),
      ...(!isOpen && { size }),
    }),
  )
}

/** A picture's rows with the channels an inpainting UNet reads behind the latent's own. */
function withChannels(latent: Tensor, extra: Tensor | undefined, image: number): Tensor {
  if (!extra) return latent
  const [count, channels, height, width] = latent.shape as [number, number, number, number]
  const more = rows(extra, image, image + 1)
  const row = channels + more.shape[1]!
  const data = new Float32Array(count * row * height * width)
  for (let i = 0; i < count; i++) {
    data.set(rows(latent, i, i + 1).data, i * row * height * width)
    data.set(more.data, (i * row + channels) * height * width)
  }
  return { shape: [count, row, height, width], data }
}

function oneOf({ shape, data }: Tensor): Tensor {
  return { shape: [1, ...shape], data }
}
