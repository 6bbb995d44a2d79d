import type { Prediction } from '../diffusion/denoiser.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { AdaptedModel } from './networks.ts'
import { predictor } from './predictor.ts'
import type { SessionPool } from './sessionPool.ts'

/**
 * Finds out what a UNet of SD 2 predicts by asking it once, as the reference does. At the last timestep nearly all of a
 * latent is noise, so a model of ε gives back what it is given; one of v, which there is −x₀, does not.
 */
export async function tryPrediction(adapted: AdaptedModel, pool: SessionPool): Promise<Prediction> {
  const { unet, betas } = adapted.model.config
  const latent = grey([1, unet.inChannels, 8, 8])
  const predict = predictor(adapted, { tiling: false, tokenMergingRatio: 0, extraChannels: undefined }, pool)
  const answer = await predict(latent, betas.timesteps - 1, [{ image: 0, context: grey([2, unet.contextWidth]) }])
  const difference = answer.data.reduce((sum, value, i) => sum + value - latent.data[i]!, 0) / answer.data.length
  return difference < -1 ? 'v' : 'epsilon'
}

function grey(shape: readonly number[]): Tensor {
  return { shape, data: new Float32Array(shape.reduce((size, dim) => size * dim, 1)).fill(0.5) }
}
