import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { StudioError } from '../../errors.ts'
import { openWeights } from '../../files/openWeights.ts'
import { readWeight } from '../../files/readWeight.ts'
import { strftime } from '../../image/strftime.ts'
import { type EmbeddingFacts, writeEmbedding } from '../../pipeline/writeEmbedding.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { epochBatches } from '../batches.ts'
import { entryOf, resumeTraining, saveTraining } from '../checkpoint.ts'
import { openEventFile } from '../log/eventFile.ts'
import { openStepLog } from '../log/stepLog.ts'
import { adamw } from '../optimizers/adamw.ts'
import { PosteriorCache } from '../posteriorCache.ts'
import { SizedSessions } from '../stepSessions.ts'
import { type Task, type TrainingState, train } from '../trainer.ts'
import type { TrainingEvent, TrainingPlaces } from '../trainingEvents.ts'
import type { EmbeddingPicture } from './data.ts'
import { EmbeddingDraws } from './draws.ts'
import { EmbeddingLearner } from './learner.ts'
import { appendLoss } from './lossTable.ts'
import { embeddingPlan } from './preflight.ts'
import type { PreparedEmbedding } from './prepare.ts'
import { EmbeddingPreviews } from './previews.ts'

/** What happens in a training of an embedding: what a network's training tells, but for validations. */
export type EmbeddingEvent = Exclude<TrainingEvent, { readonly kind: 'validated' }>

/** Trains an embedding. Whoever pulls the events shows them. */
export async function* trainEmbedding(run: PreparedEmbedding, places: TrainingPlaces): AsyncGenerator<EmbeddingEvent> {
  yield { kind: 'plan', lines: [...run.notes, ...(await embeddingPlan(run, places.threads))] }
  const training = await EmbeddingTraining.open(run, places)
  try {
    yield* training.events()
  } finally {
    await training.dispose()
  }
}

/** A training under way: what its parts share. */
class EmbeddingTraining {
  readonly #run: PreparedEmbedding
  readonly #places: TrainingPlaces
  readonly #checkpointHash: string
  readonly #sessions: SizedSessions
  readonly #learner: EmbeddingLearner
  readonly #posteriors: PosteriorCache
  readonly #draws: EmbeddingDraws
  readonly #previews: EmbeddingPreviews
  readonly #vectors: Tensor
  readonly #state: TrainingState
  readonly #fingerprint: string
  /** Losses of the last epoch's worth of steps, of which the mean is shown. */
  #losses: number[] = []

  private constructor(run: PreparedEmbedding, places: TrainingPlaces, hashes: { checkpoint: string; vae: string }) {
    const { base, learnt, args, pictures, batch, schedule } = run
    const { studio, threads } = places
    this.#run = run
    this.#places = places
    this.#checkpointHash = hashes.checkpoint
    this.#sessions = new SizedSessions({ threads })
    this.#learner = new EmbeddingLearner(run, this.#sessions)
    this.#posteriors = new PosteriorCache({
      config: base.config,
      weights: base.weights,
      vaeHash: hashes.vae,
      folder: undefined,
      threads,
    })
    this.#draws = new EmbeddingDraws(run, this.#posteriors)
    this.#previews = new EmbeddingPreviews(run, { gpuNoise: studio.gpuNoise, threads })
    this.#vectors = { shape: learnt.vectors.shape, data: learnt.vectors.data.slice() }
    this.#state = {
      step: run.embedding.step,
      parameters: new Map([['vectors', this.#vectors]]),
      averages: new Map(),
      optimizer: adamw([this.#vectors], { weightDecay: 0 }),
    }
    const names = pictures.map(({ path, place }) => [basename(path), place.bucket])
    const identity = [args.seed, hashes, learnt.vectors.shape, batch, schedule.parts, names]
    this.#fingerprint = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16)
  }

  static async open(run: PreparedEmbedding, places: TrainingPlaces): Promise<EmbeddingTraining> {
    const { hashes } = places.studio.library
    const { checkpoint, vae } = run.base
    const own = await hashes.file(checkpoint.path)
    return new EmbeddingTraining(run, places, { checkpoint: own, vae: vae ? await hashes.file(vae.path) : own })
  }

  async dispose(): Promise<void> {
    await this.#sessions.dispose()
    await this.#posteriors.dispose()
    await this.#previews.dispose()
  }

  async *events(): AsyncGenerator<EmbeddingEvent> {
    const { embedding } = this.#run
    if (this.#resumes() || this.#state.step > 0) {
      yield { kind: 'resumed', epoch: this.#epochOf(this.#state.step), step: this.#state.step }
    }
    yield* this.#cache()
    const before = this.#state.step
    let reason: 'done' | 'stopped' = 'stopped'
    try {
      if (!this.#places.signal.aborted) reason = yield* this.#steps()
    } catch (error) {
      // What had been learnt before the step that broke is worth the hours it took, as long as it is sound.
      const isBroken = error instanceof StudioError && error.code === 'not-a-number'
      if (isBroken && this.#state.step > before && this.#isSound) yield this.#save()
      throw error
    }
    if (this.#state.step > before) yield this.#save()
    writeEmbedding(embedding.path, this.#vectors, this.#facts)
    yield { kind: 'saved', path: embedding.path }
    yield { kind: 'ended', reason, path: embedding.path, best: undefined }
  }

  async *#steps(): AsyncGenerator<EmbeddingEvent, 'done' | 'stopped'> {
    const { args, rates, clip, totalSteps, schedule, folders, tableEvery } = this.#run
    const { stepsPerEpoch, epochs } = schedule
    const time = strftime(new Date(), '%Y%m%d%H%M%S')
    const logs = join(this.#places.studio.dataDir, 'logs', time, 'textual_inversion')
    const events = openEventFile(logs, this.#state.step + 1)
    const log = openStepLog(join(logs, 'steps.jsonl'), this.#state.step)
    yield { kind: 'logging', folder: logs }
    let before = performance.now()
    for await (const { step, loss, learningRate, gradientNorm } of train(this.#task(), this.#state, totalSteps, {
      accumulation: (step) => this.#partsOf(step),
      learningRate: 1,
      schedule: rates.at,
      maxGradientNorm: clip?.mode === 'norm' ? clip.limit.at : Number.POSITIVE_INFINITY,
      ...(clip?.mode === 'value' && { maxGradientValue: clip.limit.at }),
      averageDecay: 0,
    })) {
      const epoch = this.#epochOf(step - 1)
      this.#losses = [...this.#losses, loss].slice(-stepsPerEpoch)
      const seconds = (performance.now() - before) / 1000
      const averageLoss = this.#losses.reduce((sum, each) => sum + each, 0) / this.#losses.length
      const scalars = { 'loss/current': loss, 'loss/average': averageLoss, 'lr/embedding': learningRate }
      events.scalars(step, { ...scalars, 'norm/gradient': gradientNorm })
      log.append({ step, epoch, ...scalars, seconds })
      if (tableEvery > 0 && step % tableEvery === 0) {
        appendLoss(join(folders.run, 'textual_inversion_loss.csv'), {
          step,
          stepsPerEpoch,
          loss,
          learnRate: learningRate,
        })
      }
      yield { kind: 'step', epoch, epochs, step, total: totalSteps, loss, averageLoss, seconds }

      if (isDue(step, args.save_embedding_every) && step < totalSteps) yield this.#save()
      if (isDue(step, args.create_image_every)) yield* this.#sample()
      if (this.#places.signal.aborted && step < totalSteps) return 'stopped'
      before = performance.now()
    }
    return 'done'
  }

  #task(): Task {
    return {
      samples: this.#run.batch,
      sessions: [{ run: (feeds) => this.#learner.run(feeds), dispose: async () => {} }],
      batch: async (step, part) => {
        const batch = await this.#draws.batch(this.#batchAt(step, part), step, part)
        return this.#learner.feeds(batch)
      },
      blame: (step, part, { errors }) => {
        const pictures = this.#batchAt(step, part)
        const broken = pictures.filter((_, i) => !Number.isFinite(errors?.data[i]))
        return ` at ${(broken.length > 0 ? broken : pictures).map(({ path }) => path).join(', ')}`
      },
    }
  }

  #epochBatches: { epoch: number; batches: readonly (readonly EmbeddingPicture[])[] } | undefined

  #batchAt(step: number, part: number): readonly EmbeddingPicture[] {
    const { pictures, batch, args, schedule } = this.#run
    const epoch = this.#epochOf(step)
    if (this.#epochBatches?.epoch !== epoch) {
      const batches = epochBatches([{ train: pictures, settings: { batch } }], epoch, args.seed)
      this.#epochBatches = { epoch, batches }
    }
    return this.#epochBatches.batches[(step % schedule.stepsPerEpoch) * schedule.parts + part]!
  }

  /** The last step of an epoch may have fewer batches. */
  #partsOf(step: number): number {
    const { stepsPerEpoch, batchesPerEpoch, parts } = this.#run.schedule
    return Math.min(parts, batchesPerEpoch - (step % stepsPerEpoch) * parts)
  }

  /** The epoch, from 1, of a step counted from 0. */
  #epochOf(step: number): number {
    return Math.floor(step / this.#run.schedule.stepsPerEpoch) + 1
  }

  get #isSound(): boolean {
    return this.#vectors.data.every(Number.isFinite)
  }

  get #facts(): EmbeddingFacts {
    const { checkpoint } = this.#run.base
    return {
      step: this.#state.step,
      checkpointHash: this.#checkpointHash.slice(0, 10),
      checkpointName: checkpoint.name,
    }
  }

  /** Saves the embedding as it is now under its step, and what the training goes on from. */
  #save(): EmbeddingEvent {
    const { folders, embedding } = this.#run
    if (!this.#isSound) {
      const problem = `step ${this.#state.step}: the vectors have left the finite numbers; a lower learn_rate may help`
      throw new StudioError('not-a-number', problem, { field: 'learn_rate' })
    }
    const path = join(folders.run, 'embeddings', `${embedding.name}-${this.#state.step}.safetensors`)
    writeEmbedding(path, this.#vectors, this.#facts)
    const losses = { shape: [this.#losses.length], data: Float32Array.from(this.#losses) }
    saveTraining(folders.state, this.#state, this.#fingerprint, [entryOf('losses', losses)])
    return { kind: 'saved', path }
  }

  /**
   * Goes on from the state of an earlier training, where the embedding is what that left, or where it is asked for. An
   * embedding that has been made anew or changed since begins with a new optimizer.
   */
  #resumes(): boolean {
    const { folders, args, learnt } = this.#run
    if (!existsSync(folders.state)) {
      if (!args.resume) return false
      throw new StudioError('missing-file', `resume: ${folders.state} does not exist`, { field: 'resume' })
    }
    const { entries, metadata } = openWeights(folders.state)
    const saved = entries.get('vectors')
    const isSame = saved && equal(readWeight(saved).data, learnt.vectors.data)
    if (!args.resume && !(isSame && metadata.get('fingerprint') === this.#fingerprint)) return false
    resumeTraining(folders.state, this.#state, this.#fingerprint)
    const losses = entries.get('losses')
    if (losses) this.#losses = [...readWeight(losses).data]
    return true
  }

  async *#cache(): AsyncGenerator<EmbeddingEvent> {
    const pictures = [...new Map(this.#run.pictures.map((picture) => [picture.path, picture])).values()]
    for (const [i, picture] of pictures.entries()) {
      await this.#posteriors.get(picture, false)
      yield { kind: 'caching', done: i + 1, total: pictures.length }
      if (this.#places.signal.aborted) return
    }
    // Encoding is over, and its memory is wanted for learning.
    await this.#posteriors.dispose()
  }

  async *#sample(): AsyncGenerator<EmbeddingEvent> {
    const step = this.#state.step - 1
    const { texts } = await this.#draws.batch(this.#batchAt(step, 0), step, 0)
    const { learnt } = this.#run
    for await (const path of this.#previews.draw({ ...learnt, vectors: this.#vectors }, texts[0]!, this.#facts)) {
      yield { kind: 'sampled', path }
    }
  }
}

function isDue(step: number, every: number): boolean {
  return every > 0 && step % every === 0
}

function equal(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i])
}
