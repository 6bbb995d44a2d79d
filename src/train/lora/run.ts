import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { StudioError } from '../../errors.ts'
import { oldModelHash } from '../../files/hash.ts'
import type { SavePrecision } from '../../lora/networkFile.ts'
import type { Studio } from '../../pipeline/studio.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { openEventFile } from '../log/eventFile.ts'
import { openStepLog } from '../log/stepLog.ts'
import { lrSchedule } from '../lrSchedule.ts'
import { type Task, type TrainingState, train } from '../trainer.ts'
import { dataFacts, epochBatches, type PictureBatch, validationBatches } from './data.ts'
import { Draws } from './draws.ts'
import { LatentCache } from './latents.ts'
import { Learner } from './learner.ts'
import { LossMean } from './lossMean.ts'
import { networkMetadata, type TrainingFacts } from './metadata.ts'
import { preflight } from './preflight.ts'
import type { PreparedRun } from './prepare.ts'
import { type Previews, previewsOf } from './previews.ts'
import { type RateGroup, rateGroups, rateOf } from './rates.ts'
import {
  networkEntries,
  outputNames,
  removeNetwork,
  removeState,
  resumeState,
  saveNetwork,
  saveState,
  staleEpoch,
  staleStep,
} from './saving.ts'
import { StepSessions } from './sessions.ts'
import { validationLoss, validationTimesteps } from './validation.ts'
import { limitWeightNorms } from './weightNorms.ts'

/** What happens in a training. */
export type LoraEvent =
  | { readonly kind: 'plan'; readonly lines: readonly string[] }
  | { readonly kind: 'caching'; readonly done: number; readonly total: number }
  /** The folder that the event files are in. */
  | { readonly kind: 'logging'; readonly folder: string }
  | { readonly kind: 'resumed'; readonly epoch: number; readonly step: number }
  | StepEvent
  | {
      readonly kind: 'validated'
      readonly epoch: number
      readonly step: number
      readonly loss: number
      readonly isBest: boolean
    }
  | { readonly kind: 'sampled'; readonly path: string }
  | { readonly kind: 'saved'; readonly path: string }
  | {
      readonly kind: 'ended'
      readonly reason: 'done' | 'stopped' | 'early'
      readonly path: string
      readonly best: string | undefined
    }

export interface StepEvent {
  readonly kind: 'step'
  readonly epoch: number
  readonly epochs: number
  readonly step: number
  readonly total: number
  readonly loss: number
  readonly averageLoss: number
  readonly seconds: number
}

export interface RunPlaces {
  readonly studio: Studio
  /** What relative paths begin at. */
  readonly folder: string
  readonly threads: number
  readonly programVersion: string
  /** Ends the run after the step at work, with what it has learnt saved. */
  readonly signal: AbortSignal
}

/** Trains a network. Whoever pulls the events shows them. */
export async function* trainLora(run: PreparedRun, places: RunPlaces): AsyncGenerator<LoraEvent> {
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
  readonly #places: RunPlaces
  readonly #groups: readonly RateGroup[]
  readonly #sessions: StepSessions
  readonly #learner: Learner
  readonly #latents: LatentCache
  readonly #draws: Draws
  readonly #state: TrainingState
  readonly #network: Map<string, Tensor>
  readonly #facts: TrainingFacts
  readonly #outputDir: string
  readonly #previews: Previews
  readonly #fingerprint: string
  #mean = new LossMean()
  #best: { loss: number; epoch: number; step: number } | undefined
  #validationsSinceBest = 0

  private constructor(run: PreparedRun, places: RunPlaces, facts: TrainingFacts, vaeHash: string) {
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
      isMasked: args.alpha_mask,
      sessions: this.#sessions,
    })
    this.#latents = new LatentCache({
      config: model.config,
      weights: model.weights,
      vaeHash,
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
    this.#outputDir = args.output_dir ? resolve(folder, args.output_dir) : join(studio.dataDir, 'models', 'Lora')
    this.#previews = previewsOf(run, this.#outputDir, folder, { gpuNoise: studio.gpuNoise, threads })
    const shapes = [...parameters].map(([name, { shape }]) => [name, shape])
    const identity = JSON.stringify([
      seed,
      facts.base.hash,
      settings.optimizer.description,
      shapes,
      run.schedule.batchesPerEpoch,
    ])
    this.#fingerprint = createHash('sha256').update(identity).digest('hex').slice(0, 16)
  }

  static async open(run: PreparedRun, places: RunPlaces): Promise<Training> {
    const { base, args, settings, datasets, data, seed, schedule } = run
    const { hashes } = places.studio.library
    const hash = await hashes.file(base.checkpoint.path)
    const vae = base.vae && {
      name: base.vae.path,
      hash: await hashes.file(base.vae.path),
      oldHash: oldModelHash(base.vae.path),
    }
    const isV = run.model.prediction === 'v'
    const version = base.config.kind === 'sd1' ? 'sd_v1' : isV ? 'sd_v2_v' : 'sd_v2'
    const facts: TrainingFacts = {
      args,
      settings,
      datasets,
      data: dataFacts(data.datasets),
      base: { name: base.checkpoint.path, hash, oldHash: oldModelHash(base.checkpoint.path), version, isV },
      vae,
      sessionId: Math.floor(Math.random() * 2 ** 32),
      startedAt: new Date(),
      seed,
      batchesPerEpoch: schedule.batchesPerEpoch,
      epochs: schedule.epochs,
      totalSteps: schedule.totalSteps,
      programVersion: places.programVersion,
    }
    return new Training(run, places, facts, vae?.hash ?? hash)
  }

  async dispose(): Promise<void> {
    await this.#sessions.dispose()
    await this.#latents.dispose()
    await this.#previews.dispose()
  }

  async *events(): AsyncGenerator<LoraEvent> {
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
        yield* this.#saveStopped()
      }
      throw error
    }
    if (reason === 'stopped') {
      const path = yield* this.#saveStopped()
      yield { kind: 'ended', reason, path, best: this.#bestPath() }
      return
    }
    const epoch = Math.min(schedule.epochs, this.#epochOf(Math.max(0, this.#state.step - 1)))
    const path = this.#save(this.#names().last, epoch)
    yield { kind: 'saved', path }
    if (args.save_state || args.save_state_on_train_end)
      yield { kind: 'saved', path: this.#saveState(this.#names().last) }
    yield { kind: 'ended', reason, path, best: this.#bestPath() }
  }

  async *#steps(): AsyncGenerator<LoraEvent, 'done' | 'stopped' | 'early'> {
    const { args, settings, schedule, modules } = this.#run
    const { stepsPerEpoch, epochs, totalSteps } = schedule
    const logFolder = this.#logFolder()
    const events = openEventFile(logFolder, this.#state.step + 1)
    const log = openStepLog(join(logFolder, 'steps.jsonl'), this.#state.step)
    yield { kind: 'logging', folder: logFolder }
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
        ...this.#rateScalars(next),
      }
      events.scalars(step, scalars)
      log.append({ step, epoch, ...scalars, seconds })
      yield { kind: 'step', epoch, epochs, step, total: totalSteps, loss, averageLoss: this.#mean.value, seconds }

      const isEpochEnd = step % stepsPerEpoch === 0 || step === totalSteps
      if (isEpochEnd) events.scalars(epoch, { 'loss/epoch_average': this.#mean.value })
      if (this.#isValidationDue(step, epoch, isEpochEnd)) {
        const loss = await this.#validate(epoch, step)
        const tags = isEpochEnd ? 'epoch' : 'step'
        events.scalars(isEpochEnd ? epoch : step, {
          [`loss/validation/${tags}_average`]: loss,
          [`loss/validation/${tags}_divergence`]: loss - this.#mean.value,
        })
        yield { kind: 'validated', epoch, step, loss, isBest: this.#best?.step === step }
      }
      yield* this.#saveDue(step, epoch, isEpochEnd)
      yield* this.#sampleDue(step, epoch, isEpochEnd)
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

  async *#cache(): AsyncGenerator<LoraEvent> {
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
    // Encoding is over, and its memory is wanted for learning.
    await this.#latents.dispose()
  }

  #isValidationDue(step: number, epoch: number, isEpochEnd: boolean): boolean {
    const { args, data } = this.#run
    if (data.datasets.every(({ validation }) => validation.length === 0)) return false
    const every = args.validate_every_n_epochs ?? 1
    if (isEpochEnd) return epoch % every === 0
    return args.validate_every_n_steps !== undefined && step % args.validate_every_n_steps === 0
  }

  async #validate(epoch: number, step: number): Promise<number> {
    const { data, args, settings } = this.#run
    const batches = validationBatches(data.datasets, args.max_validation_steps)
    const network = this.#evaluated()
    const loss = await validationLoss(batches, validationTimesteps(settings.timesteps), {
      draws: this.#draws,
      learner: this.#learner,
      network,
    })
    if (this.#best === undefined || loss < this.#best.loss) {
      this.#best = { loss, epoch, step }
      this.#validationsSinceBest = 0
      this.#save(this.#names().best, epoch)
    } else this.#validationsSinceBest++
    return loss
  }

  /** The network as it is used outside of training. */
  #evaluated(): ReadonlyMap<string, Tensor> {
    const { parameters, optimizer } = this.#state
    const evaluated = optimizer.evaluated?.()
    if (!evaluated) return this.#network
    const names = [...parameters.keys()]
    const changed = names.map((name, i): [string, Tensor] => [
      name,
      { shape: parameters.get(name)!.shape, data: evaluated[i]! },
    ])
    return new Map([...this.#network, ...changed])
  }

  *#saveDue(step: number, epoch: number, isEpochEnd: boolean): Generator<LoraEvent> {
    const { args, schedule } = this.#run
    const names = this.#names()
    const everySteps = args.save_every_n_steps
    if (everySteps && step % everySteps === 0) {
      yield { kind: 'saved', path: this.#save(names.step(step), epoch - 1) }
      if (args.save_state) yield { kind: 'saved', path: this.#saveState(names.step(step)) }
      const kept = args.save_last_n_steps
      const stale = kept === undefined ? undefined : staleStep(step, everySteps, kept)
      if (stale !== undefined) removeNetwork(this.#outputDir, names.step(stale))
      const keptStates = args.save_last_n_steps_state ?? kept
      const staleState = keptStates === undefined ? undefined : staleStep(step, everySteps, keptStates)
      if (staleState !== undefined) removeState(this.#outputDir, names.step(staleState))
    }
    const ratio = args.save_n_epoch_ratio
    const everyEpochs =
      args.save_every_n_epochs ?? (ratio ? Math.max(1, Math.floor(schedule.epochs / ratio)) : undefined)
    if (everyEpochs && isEpochEnd && epoch % everyEpochs === 0 && epoch < schedule.epochs) {
      yield { kind: 'saved', path: this.#save(names.epoch(epoch), epoch) }
      if (args.save_state) yield { kind: 'saved', path: this.#saveState(names.epoch(epoch)) }
      const kept = args.save_last_n_epochs
      const stale = kept === undefined ? undefined : staleEpoch(epoch, everyEpochs, kept)
      if (stale !== undefined) removeNetwork(this.#outputDir, names.epoch(stale))
      const keptStates = args.save_last_n_epochs_state ?? kept
      const staleState = keptStates === undefined ? undefined : staleEpoch(epoch, everyEpochs, keptStates)
      if (staleState !== undefined) removeState(this.#outputDir, names.epoch(staleState))
    }
  }

  *#saveStopped(): Generator<LoraEvent, string> {
    const name = this.#names().step(this.#state.step)
    const path = this.#save(name, this.#epochOf(this.#state.step) - 1)
    yield { kind: 'saved', path }
    yield { kind: 'saved', path: this.#saveState(name) }
    return path
  }

  #save(name: string, epoch: number): string {
    const { modules, args } = this.#run
    const entries = networkEntries(modules, this.#evaluated(), precisionOf(args.save_precision))
    const metadata = networkMetadata(this.#facts, { epoch, step: this.#state.step, now: new Date() })
    return saveNetwork(this.#outputDir, name, entries, metadata)
  }

  #saveState(name: string): string {
    const position = {
      epoch: this.#epochOf(this.#state.step) - 1,
      step: this.#state.step,
      losses: this.#mean.losses,
      best: this.#best,
      validationsSinceBest: this.#validationsSinceBest,
    }
    return saveState(this.#outputDir, name, this.#state, position, this.#fingerprint)
  }

  async *#sampleDue(step: number, epoch: number, isEpochEnd: boolean): AsyncGenerator<LoraEvent> {
    const { sample_every_n_epochs: epochs, sample_every_n_steps: steps } = this.#run.args
    if (epochs && epochs > 0) {
      if (isEpochEnd && epoch % epochs === 0) yield* this.#sample(`e${String(epoch).padStart(6, '0')}`)
    } else if (steps && steps > 0 && step % steps === 0) yield* this.#sample(String(step).padStart(6, '0'))
  }

  async *#sample(moment: string): AsyncGenerator<LoraEvent> {
    const { modules } = this.#run
    const entries = networkEntries(modules, this.#evaluated(), 'float')
    for await (const path of this.#previews.draw(entries, moment === 'first' ? '000000' : moment))
      yield { kind: 'sampled', path }
  }

  #names() {
    return outputNames(this.#run.args.output_name)
  }

  #bestPath(): string | undefined {
    const path = join(this.#outputDir, `${this.#names().best}.safetensors`)
    return this.#best !== undefined && existsSync(path) ? path : undefined
  }

  #rateScalars(factor: number): Record<string, number> {
    const { settings } = this.#run
    const d = this.#state.optimizer.state.numbers.d
    const scalars: Record<string, number> = {}
    for (const [i, { name, rate }] of this.#groups.entries()) {
      const now = rate * factor
      // The original names every group but the text encoder's by its number as well.
      const tags = [name, ...(name === 'textencoder' ? [] : [`group${i}`])]
      for (const tag of tags) {
        scalars[`lr/${tag}`] = now
        if (settings.optimizer.isAdaptive && d !== undefined) scalars[`lr/d*lr/${tag}`] = d * now
      }
    }
    return scalars
  }

  /** `<logging_dir>/<log_prefix><time>/network_train`. */
  #logFolder(): string {
    const { args } = this.#run
    const { startedAt } = this.#facts
    const time = startedAt.toISOString().replace(/\D/g, '').slice(0, 14)
    const folder = args.logging_dir
      ? resolve(this.#places.folder, args.logging_dir)
      : join(this.#places.studio.dataDir, 'logs')
    return join(folder, `${args.log_prefix}${time}`, 'network_train')
  }
}

function precisionOf(text: string | undefined): SavePrecision {
  if (text === undefined || text === 'float' || text === 'fp32') return 'float'
  if (text === 'fp16' || text === 'bf16') return text
  throw new StudioError('bad-request', `save_precision: found "${text}", expected float, fp16 or bf16`, {
    field: 'save_precision',
  })
}
