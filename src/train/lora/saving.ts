import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../../errors.ts'
import { replaceFile } from '../../files/replaceFile.ts'
import type { WeightEntry } from '../../files/weights.ts'
import { networkEntry, type SavePrecision, scalar, writeNetwork } from '../../lora/networkFile.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { resumeTraining, saveTraining } from '../checkpoint.ts'
import type { TrainingState } from '../trainer.ts'
import type { TrainedModule } from './network.ts'

/** Names of what a training writes, by kohya's habits. */
export interface OutputNames {
  /** After an epoch, from 1: `name-000003`. */
  epoch(epoch: number): string
  /** After a step: `name-step00000120`. */
  step(step: number): string
  /** At the end. */
  readonly last: string
  readonly best: string
}

export function outputNames(name: string | undefined): OutputNames {
  const six = (epoch: number) => String(epoch).padStart(6, '0')
  const eight = (step: number) => String(step).padStart(8, '0')
  if (name === undefined) {
    return {
      epoch: (epoch) => `epoch-${six(epoch)}`,
      step: (step) => `at-step${eight(step)}`,
      last: 'last',
      best: 'best',
    }
  }
  return {
    epoch: (epoch) => `${name}-${six(epoch)}`,
    step: (step) => `${name}-step${eight(step)}`,
    last: name,
    best: `${name}-best`,
  }
}

/** The epoch whose file goes when this one is saved, if the last `kept` stay and every `every`-th is saved. */
export function staleEpoch(epoch: number, every: number, kept: number): number | undefined {
  const stale = epoch - every * kept
  return stale > 0 ? stale : undefined
}

/** The step whose file goes when this one is saved, if those of the last `kept` steps stay. */
export function staleStep(step: number, every: number, kept: number): number | undefined {
  const stale = Math.floor((step - kept - 1) / every) * every
  return stale > 0 ? stale : undefined
}

/** The tensors of a network file: what was trained, and each module's alpha. */
export function networkEntries(
  modules: readonly TrainedModule[],
  network: ReadonlyMap<string, Tensor>,
  precision: SavePrecision,
): readonly WeightEntry[] {
  const tensors = [...network].map(([name, tensor]) => networkEntry(name, tensor, precision))
  const alphas = modules.map(({ layer, alpha }) => networkEntry(`${layer.name}.alpha`, scalar(alpha), precision))
  return [...tensors, ...alphas]
}

export function saveNetwork(
  folder: string,
  name: string,
  entries: readonly WeightEntry[],
  metadata: ReadonlyMap<string, string>,
): string {
  const path = join(folder, `${name}.safetensors`)
  writeNetwork(path, entries, metadata)
  return path
}

export function removeNetwork(folder: string, name: string): void {
  rmSync(join(folder, `${name}.safetensors`), { force: true })
}

/** What a training goes on from beside the numbers. */
export interface RunPosition {
  readonly epoch: number
  readonly step: number
  /** The losses of the last epoch's steps, of which the mean is shown. */
  readonly losses: readonly number[]
  readonly best: { readonly loss: number; readonly epoch: number; readonly step: number } | undefined
  readonly validationsSinceBest: number
}

/**
 * Writes all that a training needs to go on bit for bit into a folder `<name>-state`, which takes the place of an older
 * one only when it is whole.
 */
export function saveState(
  folder: string,
  name: string,
  state: TrainingState,
  position: RunPosition,
  fingerprint: string,
): string {
  const path = join(folder, `${name}-state`)
  const temporary = `${path}.new`
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(temporary, { recursive: true })
  try {
    saveTraining(join(temporary, 'state.safetensors'), state, fingerprint)
    const { epoch, step } = position
    const text = JSON.stringify({ current_epoch: epoch, current_step: step, ...position }, null, 1)
    replaceFile(join(temporary, 'train_state.json'), [new TextEncoder().encode(`${text}\n`)])
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    throw error
  }
  rmSync(path, { recursive: true, force: true })
  renameSync(temporary, path)
  return path
}

export function removeState(folder: string, name: string): void {
  rmSync(join(folder, `${name}-state`), { recursive: true, force: true })
}

/** Brings a new training to where a saved one was. */
export function resumeState(path: string, state: TrainingState, fingerprint: string): RunPosition {
  const file = join(path, 'state.safetensors')
  if (!existsSync(file)) {
    throw new StudioError(
      'missing-file',
      `resume: ${path} holds no state.safetensors, expected a folder …-state of this program`,
      {
        field: 'resume',
      },
    )
  }
  resumeTraining(file, state, fingerprint)
  try {
    return JSON.parse(readFileSync(join(path, 'train_state.json'), 'utf8')) as RunPosition
  } catch (cause) {
    throw new StudioError('bad-file', `resume: ${path} has no readable train_state.json`, { cause, field: 'resume' })
  }
}
