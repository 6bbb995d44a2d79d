import { drawCaption } from '../../dataset/captions.ts'
import { type PythonRandom, pythonRandom } from '../../tensor/pythonRandom.ts'
import { normalStream } from '../../tensor/random.ts'
import { zeros } from '../../tensor/tensor.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import type { Posterior, PosteriorCache } from '../posteriorCache.ts'
import { frozenKey, sampledLatents, streamKey } from '../stepStreams.ts'
import { captionTokens } from './captionTokens.ts'
import type { CaptionBatch } from './contexts.ts'
import type { PictureBatch } from './data.ts'
import type { LoraBatch } from './learner.ts'
import { drawNoise } from './noising.ts'
import type { PreparedRun } from './prepare.ts'
import type { DataPicture } from './subset.ts'

/** Where in a run a batch is drawn. */
export interface Moment {
  readonly epoch: number
  readonly step: number
  readonly part: number
}

/** Draws what a step is made of: a function of the seed and the moment alone, so that a run goes on from any step. */
export class Draws {
  readonly #run: PreparedRun
  readonly #latents: PosteriorCache
  readonly #tokenizer: Tokenizer

  constructor(run: PreparedRun, latents: PosteriorCache, tokenizer: Tokenizer) {
    this.#run = run
    this.#latents = latents
    this.#tokenizer = tokenizer
  }

  /** A batch of training, and the stream that its dropout is drawn from. */
  async training(pictures: PictureBatch, at: Moment): Promise<{ batch: LoraBatch; random: PythonRandom }> {
    const { seed, settings, args, schedule, model } = this.#run
    const { scaleFactor } = model.config
    const random = pythonRandom((BigInt(seed) << 64n) | (BigInt(at.step) << 16n) | BigInt(at.part))
    const normal = normalStream('nv', streamKey(seed, at.step, at.part))
    const posteriors: Posterior[] = []
    const texts: string[] = []
    for (const picture of pictures) {
      const isFlipped = picture.subset.isFlipped && random.random() < 0.5
      const { hasColorChanges, isRandomlyCropped, captions } = picture.subset
      const changes = hasColorChanges || isRandomlyCropped
      posteriors.push(
        await (changes
          ? this.#latents.fresh(
              picture,
              isFlipped,
              () => random.random(),
              hasColorChanges ? recoloring(random) : undefined,
            )
          : this.#latents.get(picture, isFlipped)),
      )
      texts.push(
        drawCaption(
          picture.caption,
          captions,
          { epoch: at.epoch, step: at.step, totalSteps: schedule.totalSteps },
          random,
        ),
      )
    }
    const isFrozen = args.cache_latents || args.cache_latents_to_disk
    const latents = sampledLatents(posteriors, scaleFactor, (i) =>
      isFrozen
        ? normalStream('nv', frozenKey(seed, pictures[i]!.path))(posteriors[i]!.mean.shape)
        : normal(posteriors[i]!.mean.shape),
    )
    const [from, below] = settings.timesteps
    const timesteps = pictures.map(() => from + random.below(below - from))
    const noise = drawNoise(latents, settings.noise, normal, () => random.random())
    return { random, batch: this.#batch({ pictures, posteriors, texts, latents, timesteps, noise }) }
  }

  /** A batch to judge by: pictures as they are, at one timestep, with noise that is always the same. */
  async validation(pictures: PictureBatch, timestep: number, number: number): Promise<LoraBatch> {
    const { seed, model } = this.#run
    const { scaleFactor } = model.config
    const normal = normalStream('nv', streamKey(this.#run.args.validation_seed ?? seed, number, timestep))
    const posteriors: Posterior[] = []
    for (const picture of pictures) posteriors.push(await this.#latents.get(picture, false))
    const latents = sampledLatents(posteriors, scaleFactor, (i) => zeros(posteriors[i]!.mean.shape))
    const texts = pictures.map(({ caption }) => caption.split('\n')[0]!)
    const noise = normal(latents.shape)
    return this.#batch({
      pictures,
      posteriors,
      texts,
      latents,
      timesteps: pictures.map(() => timestep),
      noise: { noise, mixed: noise },
    })
  }

  /** The caption of a picture whose draws are all alike. */
  fixedCaption({ caption, subset }: DataPicture): CaptionBatch {
    const at = { epoch: 1, step: 0, totalSteps: this.#run.schedule.totalSteps }
    return this.#captions([drawCaption(caption, subset.captions, at, pythonRandom(0))])
  }

  #captions(texts: readonly string[]): CaptionBatch {
    const { settings, model } = this.#run
    const { chunks, isWeighted } = settings.text
    const options = { tokenizer: this.#tokenizer, kind: model.config.text.kind, chunks, isWeighted }
    const captions = texts.map((caption) => captionTokens(caption, options))
    return {
      tokens: captions.map(({ tokens }) => tokens),
      ...(isWeighted && { tokenWeights: captions.map(({ weights }) => weights) }),
    }
  }

  #batch(
    parts: Pick<LoraBatch, 'latents' | 'timesteps' | 'noise'> & {
      pictures: PictureBatch
      posteriors: readonly Posterior[]
      texts: readonly string[]
    },
  ): LoraBatch {
    const { latents, timesteps, noise, pictures, posteriors, texts } = parts
    const { args, isMasked } = this.#run
    const [, , height, width] = latents.shape as [number, number, number, number]
    const points = height * width
    const mask = new Float32Array(pictures.length * points).fill(1)
    for (const [i, { alpha }] of posteriors.entries())
      if (alpha && hasMask(pictures[i]!)) mask.set(alpha.data, i * points)
    return {
      latents,
      timesteps,
      noise,
      ...this.#captions(texts),
      lossWeights: pictures.map(({ subset }) => (subset.isRegularization ? args.prior_loss_weight : 1)),
      ...(isMasked && { mask: { shape: [pictures.length, 1, height, width], data: mask } }),
    }
  }
}

function hasMask({ mask, subset }: DataPicture): boolean {
  return subset.hasAlphaMask || mask !== undefined
}

/** A third of the pictures get other hues or another brightness, as kohya's color_aug changes them. */
function recoloring(random: PythonRandom): ((rgb: Uint8Array) => void) | undefined {
  if (random.random() >= 0.33) return undefined
  if (random.random() < 0.5) {
    const turn = (random.random() * 2 - 1) * 16 // degrees; half of that in the units of the original
    return (rgb) => turnHues(rgb, turn)
  }
  const gamma = 0.95 + 0.1 * random.random()
  return (rgb) => {
    for (let i = 0; i < rgb.length; i++) rgb[i] = Math.round(255 * (rgb[i]! / 255) ** gamma)
  }
}

/** Turns the hue of every pixel by degrees, its lightness and saturation kept. */
function turnHues(rgb: Uint8Array, degrees: number): void {
  for (let i = 0; i < rgb.length; i += 3) {
    const [r, g, b] = [rgb[i]!, rgb[i + 1]!, rgb[i + 2]!]
    const [high, low] = [Math.max(r, g, b), Math.min(r, g, b)]
    const range = high - low
    if (range === 0) continue
    const sector = high === r ? (g - b) / range : high === g ? 2 + (b - r) / range : 4 + (r - g) / range
    const hue = (((sector + degrees / 60) % 6) + 6) % 6
    for (const [c, offset] of [5, 3, 1].entries()) {
      const k = (offset + hue) % 6
      rgb[i + c] = Math.round(high - range * Math.max(0, Math.min(k, 4 - k, 1)))
    }
  }
}
