import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { StudioError } from '../../errors.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { epochBatches } from '../batches.ts'
import { openEventFile } from '../log/eventFile.ts'
import { openStepLog } from '../log/stepLog.ts'
import { lrSchedule } from '../lrSchedule.ts'
import { PosteriorCache } from '../posteriorCache.ts'
import { type Task, type TrainingState, train } from '../trainer.ts'
import type { TrainingEvent, TrainingPlaces } from '../trainingEvents.ts'
import { type PictureBatch, validationBatches } from './data.ts'
import { Draws } from './draws.ts'
import { type RunHashes, trainingFacts } from './facts.ts'
import { Learner } from './learner.ts'
import { LossMean } from './lossMean.ts'
import type { TrainingFacts } from './metadata.ts'
import { logFolder, RunOutputs, type RunProgress, type StepMoment } from './outputs.ts'
import { preflight } from './preflight.ts'
import type { PreparedRun } from './prepare.ts'
import { type Previews, previewsOf } from './previews.ts'
import { type RateGroup, rateGroups, rateOf, rateScalars } from './rates.ts'
import { networkEntries, resumeState } from './saving.ts'
import { StepSessions } from './sessions.ts'
import { validationLoss, validationTimesteps } from './validation.ts'
import { limitWeightNorms } from './weightNorms.ts'

/** Trains a network. Whoever pulls the events shows them. */
export async function* trainLora(run: PreparedRun, places: TrainingPlaces): AsyncGenerator<TrainingEvent> {
  yield { kind: 'plan', lines: [...run.notes, ...(await preflight(run, places.threads))] }
  const training = await Training.open(run, places)
  try {
    yield* training.events()
  } finally {
    await training.dispose()
  }
}

/** A training under way: what its parts share. */
class Training {
  readonly #run: PreparedRun
  readonly #places: TrainingPlaces
  readonly #groups: readonly RateGroup[]
  readonly #sessions: StepSessions
  readonly #learner: Learner
  readonly #latents: PosteriorCache
  readonly #draws: Draws
  readonly #state: TrainingState
  readonly #network: Map<string, Tensor>
  readonly #facts: TrainingFacts
  readonly #outputs: RunOutputs
  readonly #previews: Previews
  readonly #fingerprint: string
  #mean = new LossMean()
  #best: { loss: number; epoch: number; step: number } | undefined
  #validationsSinceBest = 0

  private constructor(run: PreparedRun, places: TrainingPlaces, facts: TrainingFacts, hashes: RunHashes) {
    const { settings, model, modules, network, args, learnt, seed } = run
    const { studio, threads, folder } = places
    this.#run = run
    this.#places = places
    this.#facts = facts
    this.#groups = rateGroups(modules, settings)
    this.#sessions = new StepSessions({ threads })
    this.#network = new Map([...network].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]))
    this.#learner = new Learner({
      model,
      settings,
      modules,
      network: this.#network,
      isMasked: run.isMasked,
      sessions: this.#sessions,
      contexts: run.keepsContexts
        ? {
            encoderHash: hashes.encoder,
            folder: args.cache_text_encoder_outputs_to_disk ? join(studio.dataDir, 'cache', 'contexts') : undefined,
          }
        : undefined,
    })
    this.#latents = new PosteriorCache({
      config: model.config,
      weights: model.weights,
      vaeHash: hashes.vae,
      folder: args.cache_latents_to_disk ? join(studio.dataDir, 'cache', 'latents') : undefined,
      threads,
    })
    this.#draws = new Draws(run, this.#latents, studio.tokenizer(model.config.text.kind))
    const parameters = new Map(learnt.map((name) => [name, this.#network.get(name)!]))
    this.#state = {
      step: 0,
      parameters,
      averages: new Map(),
      optimizer: settings.optimizer.make([...parameters.values()]),
    }
    const outputDir = args.output_dir ? resolve(folder, args.output_dir) : join(studio.dataDir, 'models', 'Lora')
    this.#previews = previewsOf(run, outputDir, folder, { gpuNoise: studio.gpuNoise, threads })
    const shapes = [...parameters].map(([name, { shape }]) => [name, shape])
    const identity = JSON.stringify([
      seed,
      facts.base.hash,
      settings.optimizer.description,
      shapes,
      run.schedule.batchesPerEpoch,
    ])
    this.#fingerprint = createHash('sha256').update(identity).digest('hex').slice(0, 16)
    const fingerprint = this.#fingerprint
    this.#outputs = new RunOutputs({
      run,
      facts,
      folder: outputDir,
      state: this.#state,
      network: this.#network,
      fingerprint,
    })
  }

  static async open(run: PreparedRun, places: TrainingPlaces): Promise<Training> {
    const { facts, hashes } = await trainingFacts(run, places)
    return new Training(run, places, facts, hashes)
  }

  async dispose(): Promise<void> {
    await this.#sessions.dispose()
    await this.#latents.dispose()
    await this.#previews.dispose()
  }

  async *events(): AsyncGenerator<TrainingEvent> {
    const { args, schedule } = this.#run
    if (args.resume) {
      const position = resumeState(resolve(this.#places.folder, args.resume), this.#state, this.#fingerprint)
      this.#mean = new LossMean(position.losses)
      this.#best = position.best
      this.#validationsSinceBest = position.validationsSinceBest
      yield { kind: 'resumed', epoch: this.#epochOf(this.#state.step), step: this.#state.step }
    }
    yield* this.#cache()
    if (args.sample_at_first && this.#state.step === 0) yield* this.#sample('first')
    let reason: 'done' | 'stopped' | 'early' = this.#places.signal.aborted ? 'stopped' : 'done'
    try {
      const ended = yield* this.#steps()
      reason = ended
    } catch (error) {
      // What had been learnt before the step that broke is sound, and worth the hours it took.
      if (error instanceof StudioError && error.code === 'not-a-number' && this.#state.step > 0) {
        yield* saved(this.#outputs.stopped(this.#epochsDone(), this.#progress()))
      }
      throw error
    }
    if (reason === 'stopped') {
      const path = yield* saved(this.#outputs.stopped(this.#epochsDone(), this.#progress()))
      yield { kind: 'ended', reason, path, best: this.#outputs.bestPath(this.#best) }
      return
    }
    const epoch = Math.min(schedule.epochs, this.#epochOf(Math.max(0, this.#state.step - 1)))
    const { last } = this.#outputs.names
    const path = this.#outputs.save(last, epoch)
    yield { kind: 'saved', path }
    if (args.save_state || args.save_state_on_train_end) {
      yield { kind: 'saved', path: this.#outputs.saveState(last, this.#epochsDone(), this.#progress()) }
    }
    yield { kind: 'ended', reason, path, best: this.#outputs.bestPath(this.#best) }
  }

  async *#steps(): AsyncGenerator<TrainingEvent, 'done' | 'stopped' | 'early'> {
    const { args, settings, schedule, modules } = this.#run
    const { stepsPerEpoch, epochs, totalSteps } = schedule
    const { folder, studio } = this.#places
    const logs = logFolder(args, { folder, dataDir: studio.dataDir }, this.#facts.startedAt)
    const events = openEventFile(logs, this.#state.step + 1)
    const log = openStepLog(join(logs, 'steps.jsonl'), this.#state.step)
    yield { kind: 'logging', folder: logs }
    let before = performance.now()
    for await (const done of train(this.#task(), this.#state, totalSteps, {
      accumulation: (step) => this.#partsOf(step),
      learningRate: 1,
      rateFactor: rateOf(this.#groups),
      schedule: lrSchedule(settings.schedule(totalSteps)),
      maxGradientNorm: settings.maxGradientNorm === 0 ? Number.POSITIVE_INFINITY : settings.maxGradientNorm,
      averageDecay: 0,
    })) {
      const { step, loss } = done
      const epoch = this.#epochOf(step - 1)
      this.#mean.add((step - 1) % stepsPerEpoch, loss)
      const norms =
        args.scale_weight_norms === undefined
          ? undefined
          : limitWeightNorms(modules, this.#network, args.scale_weight_norms)
      const seconds = (performance.now() - before) / 1000
      const next = lrSchedule(settings.schedule(totalSteps))(step)
      const scalars = {
        'loss/current': loss,
        'loss/average': this.#mean.value,
        ...(norms && {
          'max_norm/keys_scaled': norms.scaled,
          'max_norm/max_key_norm': norms.largest,
          'norm/avg_key_norm': norms.mean,
        }),
        ...rateScalars(
          this.#groups,
          next,
          settings.optimizer.isAdaptive ? this.#state.optimizer.state.numbers.d : undefined,
        ),
      }
      events.scalars(step, scalars)
      log.append({ step, epoch, ...scalars, seconds })
      yield { kind: 'step', epoch, epochs, step, total: totalSteps, loss, averageLoss: this.#mean.value, seconds }

      const isEpochEnd = step % stepsPerEpoch === 0 || step === totalSteps
      const moment: StepMoment = { step, epoch, isEpochEnd }
      if (isEpochEnd) events.scalars(epoch, { 'loss/epoch_average': this.#mean.value })
      if (this.#isValidationDue(moment)) {
        const loss = await this.#validate(epoch, step)
        const tags = isEpochEnd ? 'epoch' : 'step'
        events.scalars(isEpochEnd ? epoch : step, {
          [`loss/validation/${tags}_average`]: loss,
          [`loss/validation/${tags}_divergence`]: loss - this.#mean.value,
        })
        yield { kind: 'validated', epoch, step, loss, isBest: this.#best?.step === step }
      }
      yield* saved(this.#outputs.due(moment, this.#epochsDone(), this.#progress()))
      yield* this.#sampleDue(moment)
      if (args.early_stop_patience !== undefined && this.#validationsSinceBest >= args.early_stop_patience)
        return 'early'
      if (this.#places.signal.aborted && step < totalSteps) return 'stopped'
      before = performance.now()
    }
    return 'done'
  }

  #task(): Task {
    return {
      samples: 1,
      sessions: [{ run: (feeds) => this.#learner.run(feeds), dispose: async () => {} }],
      batch: async (step, part) => {
        const { batch, random } = await this.#draws.training(this.#batchAt(step, part), {
          epoch: this.#epochOf(step),
          step,
          part,
        })
        return this.#learner.feeds(batch, () => random.random())
      },
      blame: (step, part, { errors }) => {
        const pictures = this.#batchAt(step, part)
        const broken = pictures.filter((_, i) => !Number.isFinite(errors?.data[i]))
        return ` at ${(broken.length > 0 ? broken : pictures).map(({ path }) => path).join(', ')}`
      },
    }
  }

  #epochBatches: { epoch: number; batches: readonly PictureBatch[] } | undefined

  #batchAt(step: number, part: number): PictureBatch {
    const epoch = this.#epochOf(step)
    if (this.#epochBatches?.epoch !== epoch) {
      this.#epochBatches = { epoch, batches: epochBatches(this.#run.data.datasets, epoch, this.#run.seed) }
    }
    const { stepsPerEpoch } = this.#run.schedule
    return this.#epochBatches.batches[(step % stepsPerEpoch) * this.#run.args.gradient_accumulation_steps + part]!
  }

  /** The last step of an epoch may have fewer batches. */
  #partsOf(step: number): number {
    const { stepsPerEpoch, batchesPerEpoch } = this.#run.schedule
    const parts = this.#run.args.gradient_accumulation_steps
    return Math.min(parts, batchesPerEpoch - (step % stepsPerEpoch) * parts)
  }

  /** The epoch, from 1, of a step counted from 0. */
  #epochOf(step: number): number {
    return Math.floor(step / this.#run.schedule.stepsPerEpoch) + 1
  }

  /** Epochs done, of which the last may have been left in its midst. */
  #epochsDone(): number {
    return this.#epochOf(this.#state.step) - 1
  }

  #progress(): RunProgress {
    return { losses: this.#mean.losses, best: this.#best, validationsSinceBest: this.#validationsSinceBest }
  }

  async *#cache(): AsyncGenerator<TrainingEvent> {
    const all = this.#run.data.datasets.flatMap(({ train, validation }) => [...train, ...validation])
    const pictures = [...new Map(all.map((picture) => [`${picture.path} ${picture.place.bucket}`, picture])).values()]
    const wanted = pictures.flatMap((picture) => {
      const { isFlipped, hasColorChanges, isRandomlyCropped } = picture.subset
      if (hasColorChanges || isRandomlyCropped) return []
      return isFlipped
        ? [
            { picture, isFlipped: false },
            { picture, isFlipped: true },
          ]
        : [{ picture, isFlipped: false }]
    })
    for (const [i, { picture, isFlipped }] of wanted.entries()) {
      await this.#latents.get(picture, isFlipped)
      yield { kind: 'caching', done: i + 1, total: wanted.length }
      if (this.#places.signal.aborted) return
    }
    if (this.#run.keepsContexts) {
      for (const picture of pictures) await this.#learner.context(this.#draws.fixedCaption(picture))
      await this.#sessions.disposeEncoders()
    }
    // Encoding is over, and its memory is wanted for learning.
    await this.#latents.dispose()
  }

  #isValidationDue({ step, epoch, isEpochEnd }: StepMoment): boolean {
    const { args, data } = this.#run
    if (data.datasets.every(({ validation }) => validation.length === 0)) return false
    const every = args.validate_every_n_epochs ?? 1
    if (isEpochEnd) return epoch % every === 0
    return args.validate_every_n_steps !== undefined && step % args.validate_every_n_steps === 0
  }

  async #validate(epoch: number, step: number): Promise<number> {
    const { data, args, settings } = this.#run
    const batches = validationBatches(data.datasets, args.max_validation_steps)
    const network = this.#outputs.evaluated()
    const loss = await validationLoss(batches, validationTimesteps(settings.timesteps), {
      draws: this.#draws,
      learner: this.#learner,
      network,
    })
    if (this.#best === undefined || loss < this.#best.loss) {
      this.#best = { loss, epoch, step }
      this.#validationsSinceBest = 0
      this.#outputs.save(this.#outputs.names.best, epoch)
    } else this.#validationsSinceBest++
    return loss
  }

  async *#sampleDue({ step, epoch, isEpochEnd }: StepMoment): AsyncGenerator<TrainingEvent> {
    const { sample_every_n_epochs: epochs, sample_every_n_steps: steps } = this.#run.args
    if (epochs && epochs > 0) {
      if (isEpochEnd && epoch % epochs === 0) yield* this.#sample(`e${String(epoch).padStart(6, '0')}`)
    } else if (steps && steps > 0 && step % steps === 0) yield* this.#sample(String(step).padStart(6, '0'))
  }

  async *#sample(moment: string): AsyncGenerator<TrainingEvent> {
    const { modules } = this.#run
    const entries = networkEntries(modules, this.#outputs.evaluated(), 'float')
    for await (const path of this.#previews.draw(entries, moment === 'first' ? '000000' : moment))
      yield { kind: 'sampled', path }
  }
}

function* saved<End>(paths: Generator<string, End>): Generator<TrainingEvent, End> {
  for (let next = paths.next(); ; next = paths.next()) {
    if (next.done) return next.value
    yield { kind: 'saved', path: next.value }
  }
}
