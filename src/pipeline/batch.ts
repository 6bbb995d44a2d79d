import { setImmediate } from 'node:timers/promises'
import { StudioError } from '../errors.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import { blendLatents, stepMask } from '../image/softInpaint.ts'
import { combine } from '../tensor/combine.ts'
import { rows, type Tensor } from '../tensor/tensor.ts'
import { type Autoencoder, autoencoder, latentScale } from './autoencoder.ts'
import type { Timeline } from './conditioning.ts'
import { hiresStart } from './hiresStart.ts'
import { asWritten } from './infotext.ts'
import { pasteUnmasked, type StartState } from './initLatent.ts'
import { inpaintingChannels, type Seen } from './inpaintingChannels.ts'
import { adaptModel, checkCancelled, type Job, noteNetworks, notePrompts, type Prompts, preparePainter } from './job.ts'
import { latentUpscalers } from './latentUpscale.ts'
import type { Model } from './model.ts'
import type { Hires, ImagePlan, Recipe } from './recipe.ts'
import { callsOf, type LaidOutPass, layOutPass, noiseOf, noteSampler, runPass } from './sampling.ts'
import { conditioner, levelsOf, type Painter, type Takeover } from './source.ts'

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

/** What sampling a batch comes to. */
export interface SampledBatch {
  /** [batch, 4, h, w]. */
  readonly latent: Tensor
  /** Those of the start pictures, where there are such. */
  readonly original: Tensor | undefined
  /** The VAE that goes with the model that painted last. */
  readonly vae: Autoencoder
  /** The first pass decoded, [batch, 3, H, W], where it was to be kept. */
  readonly firstPass: Tensor | undefined
}

/** A batch of a job: its pictures, and where they stand in it. */
export interface Batch {
  readonly index: number
  readonly count: number
  /** Position in the job of its first picture. */
  readonly first: number
  /** Position of that among pictures that were asked for as one batch. */
  readonly offset: number
  readonly images: readonly ImagePlan[]
}

/**
 * The batches of a recipe, in order. A sampler that chooses its steps by what it sees would let pictures change each
 * other, so it is given one at a time.
 */
export function batchesOf({ images, batchSize, pass, hires }: Recipe): Batch[] {
  const isAdaptive = [pass, hires?.pass].some((each) => each?.sampler === 'DPM adaptive')
  const size = isAdaptive ? 1 : batchSize
  const count = Math.ceil(images.length / size)
  return Array.from({ length: count }, (_, index) => {
    const first = index * size
    return { index, count, first, offset: first % batchSize, images: images.slice(first, first + size) }
  })
}

/** Samples one batch: from noise or from pictures, and a second time where hires asks for it. */
export async function* sampleBatch(
  job: Job,
  batch: Batch,
  start: StartState | undefined,
): AsyncGenerator<StepProgress, SampledBatch> {
  const { recipe, studio } = job
  const prompt = batch.images[0]!.prompt
  noteNetworks(job, [prompt])
  const adapted = await adaptModel(job, studio.model(recipe), prompt)
  const timeline = { steps: callsOf(recipe.pass), useOldScheduling: recipe.prompting.useOldScheduling }
  const painter = await preparePainter(job, adapted, adapted, batch.images, timeline)
  notePrompts(job, painter)
  noteAlphas(job)

  const { hires } = recipe
  if (hires?.firstPicture) return yield* hiresPass(job, batch, hires, painter, undefined)
  const original = start?.latentsOf(batch)
  const first = yield* firstPass(job, batch, painter, timeline, start, original)
  if (!hires || job.interrupt?.aborted) return { ...first, original, firstPass: undefined }
  return yield* hiresPass(job, batch, hires, first.painter, first.latent)
}

/** The pass that every job has: from noise, or from the start pictures. */
async function* firstPass(
  job: Job,
  batch: Batch,
  painter: Painter,
  timeline: Timeline,
  start: StartState | undefined,
  original: Tensor | undefined,
): AsyncGenerator<StepProgress, { latent: Tensor; vae: Autoencoder; painter: Painter }> {
  const { recipe, facts } = job
  const { init, sampling } = recipe
  const size = [Math.floor(recipe.height / latentScale), Math.floor(recipe.width / latentScale)] as const
  const shape = (original?.shape.slice(1) ?? [latentChannels(painter), ...size]) as [number, number, number]
  const draw = noiseOf(recipe, batch.images, shape)
  let noise = draw()
  if (init && init.noiseMultiplier !== 1) {
    facts.set('Noise multiplier', pythonFloat(init.noiseMultiplier))
    noise = combine([init.noiseMultiplier, noise])
  }

  const laidOut = layOutPass(recipe, recipe.pass, levelsOf(painter.adapted.model, sampling), facts, init, false)
  if (!init && sampling.useSgmNoiseMultiplier) facts.set('SGM noise multiplier', true)
  if (init && sampling.extraNoise > 0) facts.set('Extra noise', asWritten(sampling.extraNoise))
  noteSampler(recipe, laidOut.choice, facts)

  const x = laidOut.plan.start(noise, original, sampling.extraNoise)
  const seen = start && seenOf(recipe, start, batch)
  const result = yield* walk(job, batch, 'first', painter, laidOut, x, {
    draw,
    seen,
    blend: start && original && blendOf(recipe, start, original),
    timeline,
    prompts: batch.images,
  })
  const masked = start?.masked
  const isHard = masked && original && !init?.mask?.soft
  const latent = isHard ? pasteUnmasked(result.latent, original, masked.latentMask) : result.latent
  return { ...result, latent }
}

/** The second, larger pass of txt2img. */
async function* hiresPass(
  job: Job,
  batch: Batch,
  hires: Hires,
  firstPainter: Painter,
  latent: Tensor | undefined,
): AsyncGenerator<StepProgress, SampledBatch> {
  const { recipe, facts, studio } = job
  const { pool } = studio
  const firstModel = firstPainter.adapted.model
  const model = hires.model ? studio.model(hires.model) : firstModel
  const vaes = {
    first: autoencoder(firstModel, recipe.tiling, pool),
    second: autoencoder(model, recipe.tiling, pool),
  }
  const prompts = hires.prompts.slice(batch.first, batch.first + batch.images.length)
  const prompt = prompts[0]!.prompt
  const upscaler = latentUpscalers.has(hires.upscaler) ? undefined : studio.upscaler(hires.upscaler, recipe.tiles)
  const start = await hiresStart(recipe, batch.images, hires, latent, vaes, upscaler)

  noteNetworks(job, [batch.images[0]!.prompt, prompt])
  const adapted = await adaptModel(job, model, prompt)
  const reader = hires.usesFirstPassConds ? firstPainter.adapted : adapted
  const timeline = {
    steps: callsOf(recipe.pass),
    hiresSteps: callsOf(hires.pass),
    useOldScheduling: recipe.prompting.useOldScheduling,
  }
  const painter = await preparePainter(job, adapted, reader, prompts, timeline)

  const draw = noiseOf(recipe, batch.images, start.latent.shape.slice(1) as [number, number, number])
  const strength = { denoisingStrength: hires.denoisingStrength, fixSteps: true }
  const laidOut = layOutPass(recipe, hires.pass, levelsOf(model, recipe.sampling), facts, strength, true)
  if (recipe.sampling.extraNoise > 0) facts.set('Extra noise', asWritten(recipe.sampling.extraNoise))
  noteSampler(recipe, laidOut.choice, facts)
  const x = laidOut.plan.start(draw(), start.latent, recipe.sampling.extraNoise)
  const seen =
    recipe.maskConditioning < 1
      ? {
          pixels: start.decoded ?? (await vaes.second.decode(start.latent)),
          mask: undefined,
          round: true,
          weight: recipe.maskConditioning,
        }
      : undefined
  const result = yield* walk(job, batch, 'hires', painter, laidOut, x, {
    draw,
    seen,
    blend: undefined,
    timeline,
    prompts,
  })
  return { ...result, original: undefined, firstPass: hires.keepFirstPass ? start.decoded : undefined }
}

/** What a pass needs besides where it starts. */
interface Walk {
  readonly draw: () => Tensor
  readonly seen: Seen | undefined
  readonly blend: ((latent: Tensor, level: number) => Tensor) | undefined
  readonly timeline: Timeline
  readonly prompts: readonly Prompts[]
}

/** Takes the steps of a pass, telling of each; between two the caller may stop it. */
async function* walk(
  job: Job,
  batch: Batch,
  pass: StepProgress['pass'],
  painter: Painter,
  laidOut: LaidOutPass,
  x: Tensor,
  { draw, seen, blend, timeline, prompts }: Walk,
): AsyncGenerator<StepProgress, { latent: Tensor; vae: Autoencoder; painter: Painter }> {
  const { recipe, studio, facts } = job
  const { pool } = studio
  const { model } = painter.adapted
  const vaeOf = (own: Model) => autoencoder(own, recipe.tiling, pool)
  const use = {
    tiling: recipe.tiling,
    tokenMergingRatio: pass === 'first' ? recipe.tokenMerging.ratio : recipe.tokenMerging.hiresRatio,
    extraChannels: model.config.isInpainting ? await inpaintingChannels(vaeOf(model), x.shape, seen) : undefined,
  }
  const takeover = takeoverOf(job, pass, laidOut, prompts, timeline)
  const conditioned = conditioner({ recipe, painter, use, pool, facts, takeover })
  const steps = runPass(recipe, laidOut, x, batch.images, { source: conditioned.source, draw, blend })

  let latent = x
  let step = 0
  checkCancelled(job)
  for await (const { x: next, denoised } of steps) {
    latent = job.interrupt?.aborted ? denoised : next
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
    if (job.interrupt?.aborted) break
  }
  for (const [key, fact] of conditioned.lateFacts) facts.set(key, fact)
  if (latent.data.every(Number.isNaN)) {
    throw new StudioError(
      'not-a-number',
      `${model.checkpoint.name}: the model answered with no numbers at step ${step}`,
    )
  }
  return { latent, vae: vaeOf(conditioned.painter().adapted.model), painter: conditioned.painter() }
}

/** How the refiner takes part in a pass, if it does. */
function takeoverOf(
  job: Job,
  pass: StepProgress['pass'],
  { choice, plan }: LaidOutPass,
  prompts: readonly Prompts[],
  timeline: Timeline,
): Takeover | undefined {
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
      const adapted = await adaptModel(job, job.studio.model(refiner.model), prompts[0]!.prompt)
      return preparePainter(job, adapted, adapted, prompts, timeline)
    },
  }
}

/** Puts what is not to be painted back into a latent: at every step a little when soft, entirely when not. */
function blendOf({ init }: Recipe, { masked }: StartState, original: Tensor): Walk['blend'] {
  if (!masked) return undefined
  const soft = init?.mask?.soft
  if (!soft) return (latent) => pasteUnmasked(latent, original, masked.latentMask)
  return (latent, level) => blendLatents(original, latent, stepMask(masked.latentMask, level, soft), soft)
}

/** What an inpainting UNet sees of the start pictures. */
function seenOf({ init, maskConditioning }: Recipe, { pixels: all, masked }: StartState, batch: Batch): Seen {
  const pixels = all.shape[0] === 1 ? all : rows(all, batch.offset, batch.offset + batch.images.length)
  return { pixels, mask: masked?.prepared.mask, round: init?.mask?.round ?? true, weight: maskConditioning }
}

function latentChannels({ adapted }: Painter): number {
  return adapted.model.config.vae.latentChannels
}

/** Changes of the model's noise levels are told right before sampling starts. */
function noteAlphas({ recipe: { sampling }, facts }: Job): void {
  if (sampling.downcastAlphas) facts.set('Downcast alphas_cumprod', true)
  if (sampling.noiseSchedule !== 'Default') facts.set('Noise Schedule', sampling.noiseSchedule)
}
