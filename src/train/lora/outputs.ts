import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { StudioError } from '../../errors.ts'
import type { SavePrecision } from '../../lora/networkFile.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { TrainingState } from '../trainer.ts'
import { networkMetadata, type TrainingFacts } from './metadata.ts'
import type { PreparedRun } from './prepare.ts'
import {
  networkEntries,
  outputNames,
  type RunPosition,
  removeNetwork,
  removeState,
  saveNetwork,
  saveState,
  staleEpoch,
  staleStep,
} from './saving.ts'

/** Where a step is in its run. */
export interface StepMoment {
  /** Steps done. */
  readonly step: number
  /** From 1. */
  readonly epoch: number
  readonly isEpochEnd: boolean
}

/** How a run has gone, as a state keeps it. */
export type RunProgress = Pick<RunPosition, 'losses' | 'best' | 'validationsSinceBest'>

/** The files that a training leaves behind: networks and states, which give way to later ones as they are told to. */
export class RunOutputs {
  readonly folder: string
  readonly #run: PreparedRun
  readonly #facts: TrainingFacts
  readonly #state: TrainingState
  readonly #network: ReadonlyMap<string, Tensor>
  readonly #fingerprint: string

  constructor(options: {
    readonly run: PreparedRun
    readonly facts: TrainingFacts
    readonly folder: string
    readonly state: TrainingState
    /** All tensors of the network, those of the state among them. */
    readonly network: ReadonlyMap<string, Tensor>
    readonly fingerprint: string
  }) {
    this.folder = options.folder
    this.#run = options.run
    this.#facts = options.facts
    this.#state = options.state
    this.#network = options.network
    this.#fingerprint = options.fingerprint
  }

  get names() {
    return outputNames(this.#run.args.output_name)
  }

  /** The network as it is used outside of training. */
  evaluated(): ReadonlyMap<string, Tensor> {
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

  /** Saves the network; its path. */
  save(name: string, epoch: number): string {
    const { modules, args } = this.#run
    const entries = networkEntries(modules, this.evaluated(), precisionOf(args.save_precision))
    const metadata = networkMetadata(this.#facts, { epoch, step: this.#state.step, now: new Date() })
    return saveNetwork(this.folder, name, entries, metadata)
  }

  /** Saves all that the training goes on from, in a folder; its path. `epochs` are those done. */
  saveState(name: string, epochs: number, progress: RunProgress): string {
    const position = { epoch: epochs, step: this.#state.step, ...progress }
    return saveState(this.folder, name, this.#state, position, this.#fingerprint)
  }

  /** Saves what is due after a step, and removes what that makes stale; the paths of what was saved. */
  *due({ step, epoch, isEpochEnd }: StepMoment, epochs: number, progress: RunProgress): Generator<string> {
    const { args, schedule } = this.#run
    const { names, folder } = this
    const remove = (stale: number | undefined, staleState: number | undefined, name: (at: number) => string) => {
      if (stale !== undefined) removeNetwork(folder, name(stale))
      if (staleState !== undefined) removeState(folder, name(staleState))
    }
    const everySteps = args.save_every_n_steps
    if (everySteps && step % everySteps === 0) {
      yield this.save(names.step(step), epoch - 1)
      if (args.save_state) yield this.saveState(names.step(step), epochs, progress)
      const kept = args.save_last_n_steps
      const [stale, staleState] = [kept, args.save_last_n_steps_state ?? kept].map((count) =>
        count === undefined ? undefined : staleStep(step, everySteps, count),
      )
      remove(stale, staleState, names.step)
    }
    const ratio = args.save_n_epoch_ratio
    const everyEpochs =
      args.save_every_n_epochs ?? (ratio ? Math.max(1, Math.floor(schedule.epochs / ratio)) : undefined)
    if (everyEpochs && isEpochEnd && epoch % everyEpochs === 0 && epoch < schedule.epochs) {
      yield this.save(names.epoch(epoch), epoch)
      if (args.save_state) yield this.saveState(names.epoch(epoch), epochs, progress)
      const kept = args.save_last_n_epochs
      const [stale, staleState] = [kept, args.save_last_n_epochs_state ?? kept].map((count) =>
        count === undefined ? undefined : staleEpoch(epoch, everyEpochs, count),
      )
      remove(stale, staleState, names.epoch)
    }
  }

  /** Saves what a run has learnt that ends before its time: the network, then its state. */
  *stopped(epochs: number, progress: RunProgress): Generator<string, string> {
    const name = this.names.step(this.#state.step)
    const path = this.save(name, epochs)
    yield path
    yield this.saveState(name, epochs, progress)
    return path
  }

  /** Where the network of the lowest validation loss lies. */
  bestPath(best: RunProgress['best']): string | undefined {
    const path = join(this.folder, `${this.names.best}.safetensors`)
    return best !== undefined && existsSync(path) ? path : undefined
  }
}

/** `<logging_dir>/<log_prefix><time>/network_train`. */
export function logFolder(
  { logging_dir: wanted, log_prefix: prefix }: PreparedRun['args'],
  places: { readonly folder: string; readonly dataDir: string },
  startedAt: Date,
): string {
  const time = startedAt.toISOString().replace(/\D/g, '').slice(0, 14)
  const folder = wanted ? resolve(places.folder, wanted) : join(places.dataDir, 'logs')
  return join(folder, `${prefix}${time}`, 'network_train')
}

function precisionOf(text: string | undefined): SavePrecision {
  if (text === undefined || text === 'float' || text === 'fp32') return 'float'
  if (text === 'fp16' || text === 'bf16') return text
  throw new StudioError('bad-request', `save_precision: found "${text}", expected float, fp16 or bf16`, {
    field: 'save_precision',
  })
}
