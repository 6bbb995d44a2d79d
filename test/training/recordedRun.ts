import { existsSync, readFileSync } from 'node:fs'
import { alphasCumprod } from '../../src/diffusion/betas.ts'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import type { WeightEntry } from '../../src/files/weights.ts'
import { detectModel } from '../../src/models/detect.ts'
import { sizeOf } from '../../src/tensor/shape.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { parseFlags } from '../../src/train/flags.ts'
import { readArguments } from '../../src/train/lora/arguments.ts'
import { Learner, type LearntModel, type LoraBatch, learntNames } from '../../src/train/lora/learner.ts'
import { targetLayers } from '../../src/train/lora/modules.ts'
import { networkModules, type TrainedModule, tensorName } from '../../src/train/lora/network.ts'
import type { Arguments } from '../../src/train/lora/parameters.ts'
import { rateGroups, rateOf } from '../../src/train/lora/rates.ts'
import type { StepSessions } from '../../src/train/lora/sessions.ts'
import { type LoraSettings, loraSettings } from '../../src/train/lora/settings.ts'
import { limitWeightNorms } from '../../src/train/lora/weightNorms.ts'
import { lrSchedule } from '../../src/train/lrSchedule.ts'
import { type Task, type TrainedStep, type TrainingState, train } from '../../src/train/trainer.ts'

const folder = new URL('../golden-training/', import.meta.url)

/** What was recorded of a run of kohya's trainer, trimmed by scripts/goldens/training.py. */
export interface RecordedRun {
  readonly name: string
  readonly args: readonly string[]
  readonly start?: string
  readonly batches: number
  readonly steps: readonly {
    readonly loss: number
    readonly grad_norm_before_clip: number
    readonly timesteps: readonly number[]
    readonly captions: readonly string[]
    /** Height and width of the pictures. */
    readonly target_hw: readonly (readonly [number, number])[]
    readonly logs: Readonly<Record<string, number>>
    readonly global_step: number
    readonly epoch: number
  }[]
  readonly tensors: ReadonlyMap<string, WeightEntry>
}

export function recordedRun(name: string): RecordedRun {
  const about = JSON.parse(readFileSync(new URL(`runs/${name}.json`, folder), 'utf8')) as Omit<
    RecordedRun,
    'name' | 'tensors'
  >
  const path = new URL(`runs/${name}.safetensors`, folder).pathname
  return { ...about, name, tensors: existsSync(path) ? openWeights(path).entries : new Map() }
}

export const checkpoint = new URL('../golden/models/tiny-sd1.safetensors', import.meta.url).pathname

/** A recorded run set up here: its network at the beginning and what runs its steps. */
export interface Replay {
  readonly args: Arguments
  readonly settings: LoraSettings
  readonly modules: readonly TrainedModule[]
  readonly network: Map<string, Tensor>
  readonly learner: Learner
  readonly state: TrainingState
  batch(number: number): LoraBatch
  steps(until: number): AsyncGenerator<TrainedStep>
}

export function replay(
  run: RecordedRun,
  sessions: StepSessions,
  {
    changed = new Map(),
    batch = (number) => recordedBatch(run, number),
  }: {
    /** Weights in the place of the checkpoint's. */
    readonly changed?: ReadonlyMap<string, WeightEntry>
    readonly batch?: (number: number) => LoraBatch
  } = {},
): Replay {
  const { values: args } = readArguments(new Map(), parseFlags(run.args))
  const settings = loraSettings(args)
  const { config, weights: plain } = detectModel(openWeights(checkpoint))
  const weights = new Map([...plain, ...changed])
  const modules = networkModules(targetLayers(weights), settings.network)
  const network = startOf(run, modules)
  const alphas = alphasCumprod(config.betas)
  const model: LearntModel = {
    config,
    weights,
    alphasCumprod: alphas,
    weightingAlphas: alphas,
    prediction: args.v_parameterization ? 'v' : 'epsilon',
  }
  const learner = new Learner({ model, settings, modules, network, isMasked: args.alpha_mask, sessions })
  const learnt = learntNames(modules, settings, config)
  const parameters = new Map(learnt.map((name) => [name, network.get(name)!]))
  const state = {
    step: 0,
    parameters,
    averages: new Map(),
    optimizer: settings.optimizer.make([...parameters.values()]),
  }
  const task: Task = {
    sessions: [{ run: (feeds) => learner.run(feeds), dispose: async () => {} }],
    samples: 1,
    batch: (step) => learner.feeds(batch(step + 1)),
  }
  return {
    args,
    settings,
    modules,
    network,
    learner,
    state,
    batch,
    async *steps(until) {
      const steps = train(task, state, until, {
        accumulation: 1,
        learningRate: 1,
        rateFactor: rateOf(rateGroups(modules, settings)),
        schedule: lrSchedule(settings.schedule(args.max_train_steps)),
        maxGradientNorm: settings.maxGradientNorm === 0 ? Number.POSITIVE_INFINITY : settings.maxGradientNorm,
        averageDecay: 0,
      })
      for await (const step of steps) {
        if (args.scale_weight_norms !== undefined) limitWeightNorms(modules, network, args.scale_weight_norms)
        yield step
      }
    },
  }
}

/** Recorded tensors; where none were kept they are zeros, as at the beginning. */
function startOf(run: RecordedRun, modules: readonly TrainedModule[]): Map<string, Tensor> {
  const path = new URL(`runs/${run.start}.start.safetensors`, folder).pathname
  const recorded = run.start ? openWeights(path).entries : new Map<string, WeightEntry>()
  return new Map(
    modules.flatMap((module) =>
      module.parts.map((part) => {
        const name = tensorName(module, part)
        const entry = recorded.get(name)
        const data = entry ? readWeight(entry).data.slice() : new Float32Array(sizeOf(part.shape))
        return [name, { shape: part.shape, data }]
      }),
    ),
  )
}

/** A batch as it was recorded. */
export function recordedBatch({ tensors }: RecordedRun, number: number): LoraBatch {
  const prefix = `batch${String(number).padStart(3, '0')}.`
  const entryOf = (name: string) => tensors.get(prefix + name)
  const read = (name: string): Tensor => readWeight(entryOf(name)!)
  const latents = read('latents')
  const noise = read('noise')
  const [count, , height, width] = latents.shape as [number, number, number, number]
  const ids = read('input_ids')
  const perCaption = sizeOf(ids.shape.slice(1))
  const extra = entryOf('extra_randn0')
  const masks = entryOf('alpha_masks')
  return {
    latents,
    // The perturbation's strength is that of the one run which has it.
    noise: { noise, mixed: extra ? plus(noise, readWeight(extra), 0.1) : noise },
    timesteps: [...read('timesteps').data],
    tokens: Array.from({ length: count }, (_, i) => [...ids.data.subarray(i * perCaption, (i + 1) * perCaption)]),
    lossWeights: [...read('loss_weights').data],
    ...(masks && { mask: shrunk(readWeight(masks), height, width) }),
  }
}

function plus(x: Tensor, y: Tensor, factor: number): Tensor {
  return { shape: x.shape, data: x.data.map((value, i) => value + factor * y.data[i]!) }
}

/** Means over the 8×8 pixels of each point, of masks recorded in 255 steps. */
function shrunk({ shape, data }: Tensor, height: number, width: number): Tensor {
  const [count, rows, columns] = shape as [number, number, number]
  const result = new Float32Array(count * height * width)
  for (let i = 0; i < data.length; i++) {
    const [picture, y, x] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns]
    result[(picture * height + (y >> 3)) * width + (x >> 3)]! += data[i]! / 255 / 64
  }
  return { shape: [count, 1, height, width], data: result }
}

/**
 * The largest distance of recorded tensors from ours, relative to each tensor's length, and the tensor it is found at. One
 * that is 0 but for rounding (a shift that the next normalisation takes out) is measured by a thousandth of the longest.
 */
export function worst(run: RecordedRun, prefix: string, found: (name: string) => Tensor | undefined) {
  const recorded = [...run.tensors]
    .filter(([key]) => key.startsWith(`${prefix}.`))
    .map(([key, entry]) => ({ name: key.slice(prefix.length + 1), data: readWeight(entry).data }))
  const floor = 1e-3 * Math.max(...recorded.map(({ data }) => lengthOf(data)))
  let result = { name: '', error: 0, count: recorded.length }
  for (const { name, data } of recorded) {
    const ours = found(name)?.data
    const difference = ours ? lengthOf(data.map((value, i) => value - ours[i]!)) : Number.POSITIVE_INFINITY
    const error = difference / Math.max(lengthOf(data), floor)
    if (!(error < result.error)) result = { ...result, name, error }
  }
  return result
}

function lengthOf(x: Float32Array): number {
  return Math.sqrt(x.reduce((sum, value) => sum + value * value, 0))
}
