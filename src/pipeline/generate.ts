import { StudioError } from '../errors.ts'
import type { Rgb8 } from '../image/picture.ts'
import { fromPixels } from '../image/pixels.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import { autoencoder } from './autoencoder.ts'
import { sampleBatch } from './batch.ts'
import { batchesOf } from './batches.ts'
import { readEmbeddings } from './embeddingFile.ts'
import { hiresFacts, softInpaintingFacts } from './facts.ts'
import { type ByProduct, finishPictures } from './finish.ts'
import { type Fact, type Facts, type Framing, infotextOf } from './infotext.ts'
import { type StartState, startFrom } from './initLatent.ts'
import { checkCancelled, type Job, type SkipRequest } from './job.ts'
import type { FileIdentity, Recipe } from './recipe.ts'
import { usesEtaSeedDelta } from './sampling.ts'
import type { Studio } from './studio.ts'
import type { StepProgress } from './walk.ts'

/** What a job tells while it runs. */
export type Progress = StepProgress | ImageProgress

/** A finished picture. */
export interface ImageProgress {
  readonly kind: 'image'
  readonly image: GeneratedImage
}

export interface GeneratedImage {
  /** Position in the job, counted from 0. */
  readonly index: number
  readonly picture: Rgb8
  readonly infotext: string
  /** The picture before it was enlarged, where that was to be kept. */
  readonly firstPass: Rgb8 | undefined
  /** What goes out beside an inpainted picture, in order. */
  readonly byProducts: readonly ByProduct[]
  /** When its job began. */
  readonly jobTime: Date
}

/** A job that has ended. */
export interface Result {
  readonly images: readonly GeneratedImage[]
  /** The recipe, hashes included. */
  readonly recipe: Recipe
  /** What came up on the way and infotexts tell. */
  readonly facts: Facts
  /** The checkpoint is one that sees mask and picture. */
  readonly usesInpaintingConditioning: boolean
  /** The person stopped it; the last picture is unfinished and others may be missing. */
  readonly isInterrupted: boolean
}

export interface GenerateOptions {
  /** Ends the job with an error before its next step. */
  readonly signal?: AbortSignal
  /** Ends the job before its next step with what it has reached: the pictures so far and the one being painted. */
  readonly interrupt?: AbortSignal
  /** Ends the current batch before its next step with what it has reached. */
  readonly skip?: SkipRequest
  /** What infotexts tell before everything that comes up on the way. */
  readonly facts?: Iterable<readonly [string, Fact]>
}

/** Makes the pictures of a recipe, telling of every step and every picture. */
export async function* generate(
  studio: Studio,
  recipe: Recipe,
  { signal, interrupt, skip, facts: given = [] }: GenerateOptions = {},
): AsyncGenerator<Progress, Result> {
  const models = [
    recipe,
    ...(recipe.hires?.model ? [recipe.hires.model] : []),
    ...(recipe.refiner ? [recipe.refiner.model] : []),
  ]
  for (const { checkpoint, vae } of models) {
    await checkHash(studio, checkpoint, 'sd_model_checkpoint')
    if (vae) await checkHash(studio, vae, 'sd_vae')
  }
  await studio.keepOnly(models.map(({ checkpoint }) => checkpoint))
  const jobTime = new Date()
  const facts: Facts = new Map(given)
  const job: Job = { studio, recipe, facts, embeddings: await readEmbeddings(recipe), signal, interrupt, skip }
  checkCancelled(job)
  for (const files of models) await studio.settledModel(files)
  const start = await startOf(job)

  const images: GeneratedImage[] = []
  let framing: Framing | undefined
  for (const batch of batchesOf(recipe)) {
    const sampled = yield* sampleBatch(job, batch, start)
    const { decoder } = recipe.coding
    if (decoder) facts.set('VAE Decoder', decoder.method)
    const decoded = await sampled.vae.decode(sampled.latent)
    const finished = finishPictures(recipe, start, sampled, batch.offset, fromPixels(decoded))
    const firstPasses = sampled.firstPass && fromPixels(sampled.firstPass)
    // Hashing a checkpoint that is new takes seconds, and nobody wants to know before the first picture is done.
    framing ??= await framingOf(job)
    for (const [i, { picture, byProducts }] of finished.entries()) {
      const index = batch.first + i
      const infotext = infotextOf(recipe, index, framing)
      const image = { index, picture, infotext, firstPass: firstPasses?.[i], byProducts, jobTime }
      images.push(image)
      yield { kind: 'image', image }
    }
    if (interrupt?.aborted) break
    if (skip) skip.isMade = false
    checkCancelled(job)
  }

  if (!framing) throw new Error('internal: a recipe without pictures')
  return {
    images,
    recipe: { ...recipe, checkpoint: framing.checkpoint },
    facts,
    usesInpaintingConditioning: framing.usesInpaintingConditioning,
    isInterrupted: interrupt?.aborted === true,
  }
}

/** Prepares what all batches share, and notes what is known before the first. */
async function startOf(job: Job): Promise<StartState | undefined> {
  const { recipe, studio, facts } = job
  const { init, hires } = recipe
  if (init?.mask?.soft) for (const [key, fact] of softInpaintingFacts(init.mask.soft)) facts.set(key, fact)
  if (hires) for (const [key, fact] of hiresFacts(recipe, hires)) facts.set(key, fact)
  if (!init) return undefined
  facts.set('Denoising strength', pythonFloat(init.denoisingStrength))
  const vae = autoencoder(studio.model(recipe), recipe, studio.pool)
  const upscaler = init.upscaler === undefined ? undefined : studio.upscaler(init.upscaler, recipe.tiles)
  return startFrom(recipe, init, vae, upscaler, facts)
}

/** Refuses a file that is not what it was when the recipe was written: its name alone is no promise. */
async function checkHash({ library }: Studio, { name, path, hash }: FileIdentity, field: string): Promise<void> {
  if (hash === undefined || (await library.hashes.file(path)) === hash) return
  const message = `${name}: its file has been replaced since this was asked for (hash changed); ask again to use what it is now`
  throw new StudioError('conflict', message, { field })
}

async function framingOf({ recipe, studio, facts }: Job): Promise<Framing> {
  const { name, path, hash: known } = recipe.checkpoint
  const isTold = recipe.writing.modelHash && studio.isUnchanged(recipe)
  const hash = isTold ? await studio.library.hashes.file(path) : known
  return {
    checkpoint: { name, path, hash },
    vae: recipe.vae,
    usesInpaintingConditioning: studio.model(recipe).config.isInpainting,
    usesEtaSeedDelta: usesEtaSeedDelta(recipe),
    facts,
  }
}
