import { abs, add, clip, exp, mul, reduceMean, reduceSum, reshape, slice, sub } from '../../graph/ops.ts'
import { numberAt, type Value } from '../../graph/value.ts'

/** How an autoencoder is judged: weights beside the mean absolute error of its pictures. */
export interface AutoencoderWeights {
  /** Of the errors of neighbouring pixels' differences, which keep edges sharp. */
  readonly gradient: number
  /** At how many sizes of the picture, each half the last, those are taken. */
  readonly gradientScales: number
  /** Of the divergence of the latent from the unit normal, in nats per picture. */
  readonly kl: number
}

/** The parts of a loss, each a scalar; `loss` is the weighted sum that is minimised. */
export interface AutoencoderLoss {
  readonly loss: Value
  readonly absolute: Value
  readonly gradient: Value
  readonly kl: Value
  /** Mean square error of the pictures, from which PSNR follows. */
  readonly square: Value
}

/** Log-variances within what exp can take, as in Rombach et al. 2022. */
const logVarianceRange = [-30, 20] as const

/** Mean and log-variance [B, z, h, w] each, from an encoder's moments [B, 2z, h, w]. */
export function posterior(moments: Value): { readonly mean: Value; readonly logVariance: Value } {
  const channels = numberAt(moments, 1) / 2
  return {
    mean: slice(moments, 1, 0, channels),
    logVariance: clip(slice(moments, 1, channels), ...logVarianceRange),
  }
}

/** A latent drawn from the posterior: mean + σ·noise (Kingma and Welling 2014). */
export function sampled({ mean, logVariance }: ReturnType<typeof posterior>, noise: Value): Value {
  return add(mean, mul(exp(mul(logVariance, 0.5)), noise))
}

/** L1, L1 of finite differences at several sizes, and KL(posterior ‖ N(0, 1)): pictures [B, 3, H, W]. */
export function autoencoderLoss(
  picture: Value,
  reconstruction: Value,
  latent: ReturnType<typeof posterior>,
  weights: AutoencoderWeights,
): AutoencoderLoss {
  const error = sub(reconstruction, picture)
  const absolute = mean(abs(error))
  // Taking differences and halving are linear, so those of the error are the error of those.
  let gradient = differences(error)
  let half = error
  for (let scale = 1; scale < weights.gradientScales; scale++) {
    half = halved(half)
    gradient = add(gradient, differences(half))
  }
  const { mean: mu, logVariance } = latent
  const nats = mul(sub(add(mul(mu, mu), exp(logVariance)), add(logVariance, 1)), 0.5)
  const kl = mean(reduceSum(nats, [1, 2, 3]))
  const loss = add(add(absolute, mul(gradient, weights.gradient)), mul(kl, weights.kl))
  return { loss, absolute, gradient, kl, square: mean(mul(error, error)) }
}

/** Mean absolute difference of vertical and of horizontal neighbours. */
function differences(x: Value): Value {
  return [2, 3]
    .map((axis) => mean(abs(sub(slice(x, axis, 1), slice(x, axis, 0, numberAt(x, axis) - 1)))))
    .reduce((sum, part) => add(sum, part))
}

/** Mean of each square of 2 × 2 points. */
function halved(x: Value): Value {
  const [batch, channels] = x.shape
  const [height, width] = [numberAt(x, 2) / 2, numberAt(x, 3) / 2]
  const cells = reshape(x, [batch!, channels!, height, 2, width, 2])
  return reshape(reduceMean(cells, [3, 5]), [batch!, channels!, height, width])
}

function mean(x: Value): Value {
  const axes = x.shape.map((_, axis) => axis)
  return reshape(reduceMean(x, axes), [])
}
