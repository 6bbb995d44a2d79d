import { setImmediate } from 'node:timers/promises'
import { StudioError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Autoencoder, autoencoder } from './autoencoder.ts'
import type { Batch } from './batches.ts'
import type { Timeline } from './conditioning.ts'
import { inpaintingChannels, type Seen } from './inpaintingChannels.ts'
import { adaptModel, checkCancelled, isCutShort, type Job, type Prompts, preparePainter } from './job.ts'
import { type LaidOutPass, runPass } from './sampling.ts'
import { conditioner, type Painter, type Takeover } from './source.ts'

/** One step of a batch. */
export interface StepProgress {
  readonly kind: 'step'
  readonly pass: 'first' | 'hires'
  /** Which batch of how many, counted from 0. */
  readonly batch: number
  readonly batches: number
  /** Steps done, and as many as are expected in this pass. */
  readonly step: number
  readonly steps: number
  /** The latents after the step, in the sampler's own scaling. */
  readonly latent: Tensor
  /** The model's estimate of the finished latents, [batch, 4, h, w]: what previews show. */
  readonly denoised: Tensor
}

/** A pass to be walked. */
export interface Walk {
  readonly pass: StepProgress['pass']
  readonly painter: Painter
  readonly laidOut: LaidOutPass
  /** The latents to start from, in the sampler's own scaling. */
  readonly x: Tensor
  /** Unit noise from the pictures' own generators, wherever the sampler wants some. */
  readonly draw: () => Tensor
  /** What an inpainting UNet sees of a picture. */
  readonly seen: Seen | undefined
  readonly blend: ((latent: Tensor, level: number) => Tensor) | undefined
  readonly timeline: Timeline
  readonly prompts: readonly Prompts[]
}

/** Where a pass has led. */
export interface Walked {
  /** [batch, 4, h, w]. */
  readonly latent: Tensor
  /** Who painted last: the refiner, if there is one. */
  readonly painter: Painter
  /** The VAE that goes with its model. */
  readonly vae: Autoencoder
}

/** Takes the steps of a pass, telling of each; between two the caller may stop it. */
export async function* walk(job: Job, batch: Batch, walk: Walk): AsyncGenerator<StepProgress, Walked> {
  const { recipe, studio, facts } = job
  const { pass, painter, laidOut, x, draw, seen, blend } = walk
  const { pool } = studio
  const { model } = painter.adapted
  // The reference shows pictures to inpainting models through the whole encoder.
  const sight = seen ? { ...recipe, coding: { ...recipe.coding, encoder: undefined } } : recipe
  const use = {
    tiling: recipe.tiling,
    tokenMergingRatio: pass === 'first' ? recipe.tokenMerging.ratio : recipe.tokenMerging.hiresRatio,
    extraChannels: model.config.isInpainting
      ? await inpaintingChannels(autoencoder(model, sight, pool), x.shape, seen)
      : undefined,
  }
  const takeover = takeoverOf(job, walk)
  const conditioned = conditioner({ recipe, painter, use, pool, facts, takeover })
  const steps = runPass(recipe, laidOut, x, batch.images, { source: conditioned.source, draw, blend })

  let latent = x
  let step = 0
  checkCancelled(job)
  for await (const { x: next, denoised } of steps) {
    latent = next
    step++
    yield {
      kind: 'step',
      pass,
      batch: batch.index,
      batches: batch.count,
      step,
      steps: laidOut.plan.steps,
      latent: next,
      denoised,
    }
    // The runtime holds the thread while it computes: signals and other callers get their turn here.
    await setImmediate()
    checkCancelled(job)
    if (isCutShort(job) && step < laidOut.plan.steps) {
      latent = denoised
      break
    }
  }
  for (const [key, fact] of conditioned.lateFacts) facts.set(key, fact)
  if (latent.data.every(Number.isNaN)) {
    throw new StudioError(
      'not-a-number',
      `${model.checkpoint.name}: the model answered with no numbers at step ${step}`,
    )
  }
  const last = conditioned.painter()
  return { latent, vae: autoencoder(last.adapted.model, recipe, pool), painter: last }
}

/** How the refiner takes part in a pass, if it does. */
function takeoverOf(job: Job, { pass, laidOut: { choice, plan }, prompts, timeline }: Walk): Takeover | undefined {
  const { refiner, hires } = job.recipe
  if (
    !refiner ||
    (hires && refiner.inPass !== 'both passes' && refiner.inPass !== `${pass === 'first' ? 'first' : 'second'} pass`)
  ) {
    return undefined
  }
  return {
    refiner,
    isHires: hires !== undefined,
    totalCalls: plan.totalCalls,
    hasSigmas: choice.sampler.kind !== 'timesteps',
    painter: async () => {
      const adapted = await adaptModel(job, job.studio.model(refiner.model), prompts)
      return preparePainter(job, adapted, adapted, prompts, timeline)
    },
  }
}
