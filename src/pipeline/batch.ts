import { pythonFloat } from '../image/pythonFloat.ts'
import { blendLatents, stepMask } from '../image/softInpaint.ts'
import { combine } from '../tensor/combine.ts'
import { rows, type Tensor } from '../tensor/tensor.ts'
import { type Autoencoder, autoencoder, latentScale } from './autoencoder.ts'
import type { Batch } from './batches.ts'
import type { Timeline } from './conditioning.ts'
import { hiresStart } from './hiresStart.ts'
import { asWritten } from './infotext.ts'
import { pasteUnmasked, type StartState } from './initLatent.ts'
import type { Seen } from './inpaintingChannels.ts'
import { adaptModel, isCutShort, type Job, noteNetworks, notePrompts, preparePainter } from './job.ts'
import { latentUpscalers } from './latentUpscale.ts'
import type { Hires, Recipe } from './recipe.ts'
import { callsOf, layOutPass, noiseOf, noteSampler } from './sampling.ts'
import { levelsOf, type Painter } from './source.ts'
import { type StepProgress, type Walk, type Walked, walk } from './walk.ts'

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

/** Samples one batch: from noise or from pictures, and a second time where hires asks for it. */
export async function* sampleBatch(
  job: Job,
  batch: Batch,
  start: StartState | undefined,
): AsyncGenerator<StepProgress, SampledBatch> {
  const { recipe, studio } = job
  noteNetworks(job, [batch.images[0]!.prompt])
  const adapted = await adaptModel(job, studio.model(recipe), batch.images)
  const timeline = { steps: callsOf(recipe.pass), useOldScheduling: recipe.prompting.useOldScheduling }
  const painter = await preparePainter(job, adapted, adapted, batch.images, timeline)
  notePrompts(job, painter)
  noteAlphas(job)

  const { hires } = recipe
  if (hires?.firstPicture) return yield* hiresPass(job, batch, hires, painter, undefined)
  const original = start?.latentsOf(batch)
  const first = yield* firstPass(job, batch, painter, timeline, start, original)
  if (!hires || isCutShort(job)) return { ...first, original, firstPass: undefined }
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
): AsyncGenerator<StepProgress, Walked> {
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

  const result = yield* walk(job, batch, {
    pass: 'first',
    painter,
    laidOut,
    x: laidOut.plan.start(noise, original, sampling.extraNoise),
    draw,
    seen: start && seenOf(recipe, start, batch),
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
    first: autoencoder(firstModel, recipe, pool),
    second: autoencoder(model, recipe, pool),
  }
  const prompts = hires.prompts.slice(batch.first, batch.first + batch.images.length)
  const isLatent = latentUpscalers.has(hires.upscaler)
  const upscaler = isLatent ? undefined : studio.upscaler(hires.upscaler, recipe.tiles)
  if (recipe.coding.encoder && (!isLatent || hires.firstPicture)) facts.set('VAE Encoder', 'TAESD')
  const start = await hiresStart(recipe, batch.images, hires, latent, vaes, upscaler)

  noteNetworks(job, [batch.images[0]!.prompt, prompts[0]!.prompt])
  const adapted = await adaptModel(job, model, prompts)
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
  const weight = recipe.maskConditioning
  const pixels = weight < 1 ? (start.decoded ?? (await vaes.second.decode(start.latent))) : undefined
  const result = yield* walk(job, batch, {
    pass: 'hires',
    painter,
    laidOut,
    x: laidOut.plan.start(draw(), start.latent, recipe.sampling.extraNoise),
    draw,
    seen: pixels && { pixels, mask: undefined, round: true, weight },
    blend: undefined,
    timeline,
    prompts,
  })
  return { ...result, original: undefined, firstPass: hires.keepFirstPass ? start.decoded : undefined }
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
