import { StudioError } from '../errors.ts'
import type { Feed, Session } from '../runtime/session.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { LrSchedule } from './lrSchedule.ts'
import type { Optimizer } from './optimizers/optimizer.ts'
import type { Parameters } from './parameters.ts'

/** All that a run's next step depends on besides its configuration; steps change it in place. */
export interface TrainingState {
  /** Optimizer steps done. */
  step: number
  readonly parameters: Parameters
  /** Exponential moving averages of the parameters, which are what is used in the end. */
  readonly averages: Parameters
  readonly optimizer: Optimizer
}

/** What is learnt from: a graph ready to run, and what it is fed. */
export interface Task {
  /**
   * Fed the parameters by name and a batch; returns the scalar `loss`, any other scalars to report, and `d <name>` for
   * each parameter.
   */
  readonly session: Session
  /** A part of a step's batch: a function of the two numbers alone, so that a run goes on from any step unchanged. */
  batch(step: number, part: number): Readonly<Record<string, Feed>> | Promise<Readonly<Record<string, Feed>>>
  /** Samples in one part. */
  readonly samples: number
}

export interface TrainingOptions {
  /** Parts of a batch, of which the mean gradient is taken before each optimizer step. */
  readonly accumulation: number
  readonly learningRate: number
  readonly schedule: LrSchedule
  /** The gradient over all parameters is shortened to this length. */
  readonly maxGradientNorm: number
  /** Share of the old average that each step keeps; it grows to this from 1/10, so that the beginning is forgotten. */
  readonly averageDecay: number
}

/** What one optimizer step was like. */
export interface TrainedStep {
  /** Number of the step, from 1. */
  readonly step: number
  readonly loss: number
  /** The other scalars of the graph, averaged over the parts. */
  readonly metrics: Readonly<Record<string, number>>
  readonly learningRate: number
  /** Length of the gradient before it is shortened. */
  readonly gradientNorm: number
  readonly samples: number
}

/**
 * Trains until the state has done so many steps; whoever pulls the steps logs, saves, or stops pulling. A loss or
 * gradient that is no finite number ends the run with the step's number, before anything is changed by it.
 */
export async function* train(
  task: Task,
  state: TrainingState,
  until: number,
  options: TrainingOptions,
): AsyncGenerator<TrainedStep> {
  while (state.step < until) {
    const step = state.step + 1
    const { gradients, scalars } = await gradientsOf(task, state, options.accumulation)
    const { loss = Number.NaN, ...metrics } = scalars
    const gradientNorm = lengthOf(gradients)
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      const what = Number.isFinite(loss) ? `the gradient's length is ${gradientNorm}` : `the loss is ${loss}`
      throw new StudioError(
        'not-a-number',
        `step ${step}: ${what}; a lower learning rate or shorter gradients (max_gradient_norm) may help`,
      )
    }
    if (gradientNorm > options.maxGradientNorm) scale(gradients, options.maxGradientNorm / gradientNorm)

    const learningRate = options.learningRate * options.schedule(state.step)
    state.optimizer.step(gradients, new Array(gradients.length).fill(learningRate))
    average(state, options.averageDecay)
    state.step = step
    const samples = task.samples * options.accumulation
    yield { step, loss, metrics, learningRate, gradientNorm, samples }
  }
}

/** Mean gradients in the order of the parameters, and mean scalars, over the parts of the next step's batch. */
async function gradientsOf(task: Task, { step, parameters }: TrainingState, parts: number) {
  const gradients: Float32Array[] = []
  const scalars: Record<string, number> = {}
  const weights = Object.fromEntries(parameters)
  for (let part = 0; part < parts; part++) {
    const results = await task.session.run({ ...(await task.batch(step, part)), ...weights })
    const names = [...parameters.keys()]
    for (const [i, name] of names.entries()) addInto(gradients, i, results[`d ${name}`]!)
    for (const [name, { data }] of Object.entries(results)) {
      if (!name.startsWith('d ')) scalars[name] = (scalars[name] ?? 0) + data[0]! / parts
    }
  }
  if (parts > 1) scale(gradients, 1 / parts)
  return { gradients, scalars }
}

function addInto(sums: Float32Array[], i: number, { data }: Tensor): void {
  const sum = sums[i]
  if (sum) for (let k = 0; k < sum.length; k++) sum[k] = sum[k]! + data[k]!
  else sums[i] = data
}

function scale(gradients: readonly Float32Array[], factor: number): void {
  for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! * factor
}

function lengthOf(gradients: readonly Float32Array[]): number {
  let sum = 0
  for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!
  return Math.sqrt(sum)
}

function average({ step, parameters, averages }: TrainingState, decay: number): void {
  const kept = Math.min(decay, (1 + step) / (10 + step))
  for (const [name, { data }] of parameters) {
    const mean = averages.get(name)!.data
    for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! + (1 - kept) * (data[i]! - mean[i]!)
  }
}
