import { pythonRandom } from '../../tensor/pythonRandom.ts'
import { normalStream } from '../../tensor/random.ts'
import { type Tensor, zeros } from '../../tensor/tensor.ts'
import type { ChunkedPrompt } from '../../text/chunks.ts'
import { noised } from '../losses/denoising.ts'
import type { Posterior, PosteriorCache } from '../posteriorCache.ts'
import { frozenKey, sampledLatents, streamKey } from '../stepStreams.ts'
import type { EmbeddingPicture } from './data.ts'
import type { PreparedEmbedding } from './prepare.ts'
import { drawText } from './texts.ts'

/** What a step learns from. */
export interface EmbeddingBatch {
  readonly texts: readonly string[]
  readonly prompts: readonly ChunkedPrompt[]
  readonly timesteps: readonly number[]
  readonly noisy: Tensor
  readonly target: Tensor
  /** Factors on the errors [B, 1, H, W]; undefined where all count alike. */
  readonly mask: Tensor | undefined
}

/** Draws what a step is made of: a function of the seed and the step alone, so that a run goes on from any step. */
export class EmbeddingDraws {
  readonly #run: PreparedEmbedding
  readonly #posteriors: PosteriorCache

  constructor(run: PreparedEmbedding, posteriors: PosteriorCache) {
    this.#run = run
    this.#posteriors = posteriors
  }

  async batch(pictures: readonly EmbeddingPicture[], step: number, part: number): Promise<EmbeddingBatch> {
    const { args, base, draws, embedding, chunked } = this.#run
    const random = pythonRandom((BigInt(args.seed) << 64n) | (BigInt(step) << 16n) | BigInt(part))
    const normal = normalStream('nv', streamKey(args.seed, step, part))
    const texts = pictures.map(({ words }) => drawText(embedding.name, words, draws, random))
    const timesteps = pictures.map(() => random.below(base.alphasCumprod.length))
    const posteriors: Posterior[] = []
    for (const picture of pictures) posteriors.push(await this.#posteriors.get(picture, false))
    const latents = sampledLatents(posteriors, base.config.scaleFactor, (i) => {
      const { shape } = posteriors[i]!.mean
      if (draws.latents === 'deterministic') return zeros(shape)
      return draws.latents === 'once'
        ? normalStream('nv', frozenKey(args.seed, pictures[i]!.path))(shape)
        : normal(shape)
    })
    const { alphasCumprod, config } = base
    const plain = { alphasCumprod, target: config.prediction, noiseOffset: 0, minSnr: undefined }
    const { noisy, target } = noised(latents, timesteps, normal, plain)
    const mask = args.use_weight ? maskOf(posteriors, latents) : undefined
    return { texts, prompts: texts.map(chunked), timesteps, noisy, target, mask }
  }
}

/** How opaque each point is, from 0 at the least opaque, with a mean of 1 over a picture; 1 where all are alike. */
function maskOf(posteriors: readonly Posterior[], { shape }: Tensor): Tensor {
  const [batch, , height, width] = shape as [number, number, number, number]
  const data = new Float32Array(batch * height * width).fill(1)
  for (const [i, { alpha }] of posteriors.entries()) {
    if (!alpha) continue
    const least = alpha.data.reduce((least, x) => Math.min(least, x))
    const mean = alpha.data.reduce((sum, x) => sum + x - least, 0) / alpha.data.length
    if (mean > 0)
      data.set(
        alpha.data.map((x) => (x - least) / mean),
        i * height * width,
      )
  }
  return { shape: [batch, 1, height, width], data }
}
