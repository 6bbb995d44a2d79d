import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { WeightEntry } from '../files/weights.ts'
import { resumeTraining, saveTraining } from './checkpoint.ts'
import { openEventFile } from './log/eventFile.ts'
import { openStepLog } from './log/stepLog.ts'
import { type Task, type TrainedStep, type TrainingOptions, type TrainingState, train } from './trainer.ts'

/** Part of a run, which ends after the step `until`. */
export interface Stage {
  readonly until: number
  open(): Promise<Task>
}

/** A whole training run: what it is made of, and the folder it keeps its checkpoint and logs in. */
export interface Run {
  readonly folder: string
  /** Says which run a checkpoint belongs to. */
  readonly fingerprint: string
  /** Tensors that are kept in the checkpoint as they are. */
  readonly constants?: readonly WeightEntry[]
  /** The state at the beginning; a checkpoint in the folder takes its place. */
  readonly state: TrainingState
  readonly stages: readonly Stage[]
  readonly options: TrainingOptions
  readonly checkpointSeconds: number
  /** Measures the averaged parameters every so many steps, and at the end. */
  readonly judge: {
    readonly everySteps: number
    measure(state: TrainingState): Promise<Readonly<Record<string, number>>>
  }
}

/** What happened in a run. */
export type RunEvent =
  | { readonly kind: 'prepared'; readonly what: string; readonly done: number; readonly total: number }
  | { readonly kind: 'resumed'; readonly step: number }
  | { readonly kind: 'step'; readonly step: TrainedStep; readonly total: number; readonly seconds: number }
  | { readonly kind: 'judged'; readonly step: number; readonly values: Readonly<Record<string, number>> }
  | { readonly kind: 'saved'; readonly step: number; readonly path: string }

/** Where a run keeps its state. */
export function checkpointPath(folder: string): string {
  return join(folder, 'checkpoint.safetensors')
}

/**
 * Runs until its last stage is done, from the folder's checkpoint where there is one. Steps go to `log.jsonl` and
 * TensorBoard events. The state is saved from time to time, at the end, and when whoever pulls the events stops.
 */
export async function* runTraining(run: Run): AsyncGenerator<RunEvent> {
  const { folder, fingerprint, state, stages, options, judge } = run
  const path = checkpointPath(folder)
  if (existsSync(path)) {
    resumeTraining(path, state, fingerprint)
    yield { kind: 'resumed', step: state.step }
  }
  const log = openStepLog(join(folder, 'log.jsonl'), state.step)
  const judgements = openStepLog(join(folder, 'judgements.jsonl'), state.step)
  const events = openEventFile(folder, state.step + 1)
  const total = stages.at(-1)?.until ?? 0

  let savedStep = state.step
  let savedAt = performance.now()
  const save = (): RunEvent => {
    saveTraining(path, state, fingerprint, run.constants)
    savedStep = state.step
    savedAt = performance.now()
    return { kind: 'saved', step: state.step, path }
  }
  try {
    for (const { until, open } of stages) {
      if (state.step >= until) continue
      const task = await open()
      try {
        let before = performance.now()
        for await (const step of train(task, state, until, options)) {
          const seconds = (performance.now() - before) / 1000
          const { metrics, ...numbers } = step
          log.append({ ...numbers, ...metrics, seconds })
          events.scalars(step.step, {
            loss: step.loss,
            ...metrics,
            'learning rate': step.learningRate,
            'gradient norm': step.gradientNorm,
            'samples per second': step.samples / seconds,
          })
          yield { kind: 'step', step, total, seconds }
          if (step.step % judge.everySteps === 0 || step.step === total) {
            const values = await judge.measure(state)
            judgements.append({ step: step.step, ...values })
            events.scalars(step.step, values)
            yield { kind: 'judged', step: step.step, values }
          }
          if (performance.now() - savedAt > 1000 * run.checkpointSeconds) yield save()
          before = performance.now()
        }
      } finally {
        await Promise.all(task.sessions.map((session) => session.dispose()))
      }
    }
  } finally {
    if (state.step > savedStep) save()
  }
  yield { kind: 'saved', step: state.step, path }
}
