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
  /** Exponential moving averages of the parameters, which are what is used in the end; none where none are kept. */
  readonly averages: Parameters
  readonly optimizer: Optimizer
}

/** What is learnt from: a graph ready to run, and what it is fed. */
export interface Task {
  /**
   * Alike; each is fed the parameters by name and a part of a batch, and returns the scalar `loss`, any other scalars to
   * report, and `d <name>` for each parameter. Of what else it returns, `blame` may make use. The parts of a batch are
   * shared out among them.
   */
  readonly sessions: readonly Pick<Session, 'run' | 'dispose'>[]
  /** A part of a step's batch: a function of the two numbers alone, so that a run goes on from any step unchanged. */
  batch(step: number, part: number): MaybePromise<Feeds>
  /** Samples in one part. */
  readonly samples: number
  /** What a part is made of, to be named when its loss is no number. */
  blame?(step: number, part: number, results: Readonly<Record<string, Tensor>>): string
}

type Feeds = Readonly<Record<string, Feed>>
type MaybePromise<T> = T | Promise<T>

export interface TrainingOptions {
  /** Parts of a batch, of which the mean gradient is taken before each optimizer step. */
  readonly accumulation: number | ((step: number) => number)
  readonly learningRate: number
  /** What the learning rate is multiplied with for a parameter; 1 unless given. */
  readonly rateFactor?: (name: string) => number
  readonly schedule: LrSchedule
  /** The gradient over all parameters is shortened to this length, once `step` steps are done. */
  readonly maxGradientNorm: number | ((step: number) => number)
  /** What no number of a gradient may be beyond, once `step` steps are done. */
  readonly maxGradientValue?: (step: number) => number
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
  let next: readonly Promise<Feeds>[] | undefined
  while (state.step < until) {
    const step = state.step + 1
    const parts = next ?? batchOf(task, options, state.step)
    next = undefined
    // The next batch is made while this one is computed, which goes on elsewhere where sessions have threads of their own.
    const { gradients, gradientNorm, scalars, blamed } = await gradientsOf(task, state, parts, () => {
      next = step < until ? batchOf(task, options, step) : undefined
    })
    const { loss = Number.NaN, ...metrics } = scalars
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      const what = Number.isFinite(loss) ? `the gradient's length is ${gradientNorm}` : `the loss is ${loss}${blamed}`
      throw new StudioError(
        'not-a-number',
        `step ${step}: ${what}; a lower learning rate or shorter gradients (max_gradient_norm) may help`,
      )
    }
    const { maxGradientNorm, maxGradientValue } = options
    const longest = typeof maxGradientNorm === 'number' ? maxGradientNorm : maxGradientNorm(state.step)
    if (gradientNorm > longest) scale(gradients, longest / gradientNorm)
    if (maxGradientValue) bound(gradients, maxGradientValue(state.step))

    const learningRate = options.learningRate * options.schedule(state.step)
    const names = [...state.parameters.keys()]
    state.optimizer.step(
      gradients,
      names.map((name) => learningRate * (options.rateFactor?.(name) ?? 1)),
    )
    average(state, options.averageDecay)
    state.step = step
    const samples = task.samples * parts.length
    yield { step, loss, metrics, learningRate, gradientNorm, samples }
  }
}

/** The parts of a step's batch, on their way. */
function batchOf(task: Task, { accumulation }: TrainingOptions, step: number): readonly Promise<Feeds>[] {
  const parts = typeof accumulation === 'number' ? accumulation : accumulation(step)
  return Array.from({ length: parts }, async (_, part) => task.batch(step, part)).map((batch) => {
    // Whoever waits for it hears of an error; a run that ends before does not need to.
    batch.catch(() => {})
    return batch
  })
}

/**
 * Mean gradients in the order of the parameters with their length, and mean scalars, over the parts of a batch.
 * `afterStart` is called once all of them are being computed.
 */
async function gradientsOf(
  task: Task,
  { step, parameters }: TrainingState,
  parts: readonly Promise<Feeds>[],
  afterStart: () => void,
) {
  const gradients: Float32Array[] = []
  const scalars: Record<string, number> = {}
  const weights = Object.fromEntries(parameters)
  const names = [...parameters.keys()]
  const width = task.sessions.length
  let blamed = ''
  // Parts are added in their order, however many are computed at once: the sum is the same on every machine.
  for (let first = 0; first < parts.length; first += width) {
    const group = parts.slice(first, first + width)
    const runs = group.map(async (part, i) => task.sessions[i]!.run({ ...(await part), ...weights }))
    if (first + width >= parts.length) Promise.all(group).then(afterStart, () => {})
    for (const [i, results] of (await Promise.all(runs)).entries()) {
      if (!Number.isFinite(results.loss?.data[0])) blamed = task.blame?.(step, first + i, results) ?? ''
      for (const [at, name] of names.entries()) addInto(gradients, at, results[`d ${name}`]!)
      for (const [name, { shape, data }] of Object.entries(results)) {
        if (shape.length > 0 || name.startsWith('d ')) continue
        scalars[name] = (scalars[name] ?? 0) + data[0]! / parts.length
      }
    }
  }
  return { gradients, gradientNorm: scale(gradients, 1 / parts.length), scalars, blamed }
}

function addInto(sums: Float32Array[], i: number, { data }: Tensor): void {
  const sum = sums[i]
  if (sum) for (let k = 0; k < sum.length; k++) sum[k] = sum[k]! + data[k]!
  else sums[i] = data
}

/** Multiplies in place; returns the length of the result over all gradients. */
function scale(gradients: readonly Float32Array[], factor: number): number {
  let squares = 0
  for (const gradient of gradients) {
    for (let i = 0; i < gradient.length; i++) {
      const x = gradient[i]! * factor
      gradient[i] = x
      squares += x * x
    }
  }
  return Math.sqrt(squares)
}

/** Brings numbers beyond a limit back to it, in place. */
function bound(gradients: readonly Float32Array[], limit: number): void {
  for (const gradient of gradients) {
    for (let i = 0; i < gradient.length; i++) gradient[i] = Math.min(limit, Math.max(-limit, gradient[i]!))
  }
}

function average({ step, parameters, averages }: TrainingState, decay: number): void {
  const kept = Math.min(decay, (1 + step) / (10 + step))
  for (const [name, { data: mean }] of averages) {
    const { data } = parameters.get(name)!
    for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! + (1 - kept) * (data[i]! - mean[i]!)
  }
}
