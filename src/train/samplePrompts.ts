import type { Prediction } from '../diffusion/denoiser.ts'
import type { Predict } from '../diffusion/guidance.ts'
import { type NoiseLevels, noiseLevels } from '../diffusion/noiseLevels.ts'
import { planSampling } from '../diffusion/plan.ts'
import { resolveSampler } from '../diffusion/samplers/index.ts'
import { normalStream } from '../tensor/random.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'

export interface PromptSampling {
  readonly predict: Predict
  readonly prediction: Prediction
  readonly alphasCumprod: Float32Array
  /** One context [1, tokens, D] for each picture, and the one they are guided away from. */
  readonly contexts: readonly Tensor[]
  readonly empty: Tensor
  /** Shape of one latent. */
  readonly shape: readonly number[]
  readonly steps: number
  readonly cfgScale: number
  /** Picture i begins from the noise of seed + i. */
  readonly seed: number
}

/** Latents [pictures, …shape] of some prompts by DPM++ 2M with guidance, as the pipeline samples. */
export async function samplePrompts(sampling: PromptSampling): Promise<Tensor> {
  const { predict, prediction, alphasCumprod, contexts, empty, shape, steps, cfgScale, seed } = sampling
  const levels: NoiseLevels = noiseLevels(alphasCumprod)
  const plan = planSampling({
    choice: resolveSampler('DPM++ 2M', 'Automatic'),
    steps,
    levels,
    schedule: { sigmaMin: 0, sigmaMax: 0, rho: 0, betaAlpha: 0.6, betaBeta: 0.6, useOldKarrasSigmas: false },
    discardsPenultimate: false,
    usesSgmNoiseMultiplier: false,
  })
  const seeds = contexts.map((_, i) => seed + i)
  const streams = seeds.map((each) => normalStream('nv', each))
  const draw = () => stack(streams.map((stream) => stream([1, ...shape])))
  const text = ({ shape, data }: Tensor): Tensor => ({ shape: shape.slice(1), data })
  const conditioned = {
    model: { predict, prediction, levels },
    cond: contexts.map((context) => [{ context: text(context), weight: 1 }]),
    uncond: contexts.map(() => text(empty)),
  }
  let x = plan.start(draw())
  const run = plan.run(x, {
    source: () => conditioned,
    guidance: {
      cfgScale,
      minSigmaUncond: 0,
      minSigmaUncondAlways: false,
      skipEarlyCond: 0,
      batched: true,
      blend: undefined,
    },
    draw,
    brownian: { source: 'nv', seeds, isShared: false },
    eta: 1,
    churn: { sChurn: 0, sTmin: 0, sTmax: Number.POSITIVE_INFINITY, sNoise: 1 },
    unipc: { variant: 'bh1', skipType: 'time_uniform', order: 3, lowerOrderFinal: true },
  })
  for await (const step of run) x = step.x
  return x
}

/** The contexts of a batch one by one. */
export function contextsOf(batch: Tensor): readonly Tensor[] {
  return Array.from({ length: batch.shape[0]! }, (_, i) => rows(batch, i, i + 1))
}
