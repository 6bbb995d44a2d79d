import { basename, resolve } from 'node:path'
import { isFixedCaption } from '../../dataset/captions.ts'
import { withZeroTerminalSnr } from '../../diffusion/betas.ts'
import { StudioError } from '../../errors.ts'
import { openWeights } from '../../files/openWeights.ts'
import { readWeight } from '../../files/readWeight.ts'
import type { WeightEntry } from '../../files/weights.ts'
import { fitNetwork } from '../../lora/fit.ts'
import { mergeNetworks } from '../../lora/merge.ts'
import { mergePlan } from '../../lora/mergePlan.ts'
import { openNetwork } from '../../lora/network.ts'
import type { Model } from '../../pipeline/model.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { compile } from '../../runtime/compile.ts'
import { sizeOf } from '../../tensor/shape.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { lrSchedule } from '../lrSchedule.ts'
import { refuseInpainting, trainingFiles } from '../trainingBase.ts'
import type { ReadArguments } from './arguments.ts'
import { batchCount, readTrainingData, type TrainingData } from './data.ts'
import { type DatasetSettings, datasetSettings } from './datasets.ts'
import { type LearntModel, learntNames } from './learner.ts'
import { targetLayers } from './modules.ts'
import { initialNetwork, networkModules, type TrainedModule, tensorName } from './network.ts'
import type { Arguments } from './parameters.ts'
import { type LoraSettings, loraSettings } from './settings.ts'

/** A training whose every part has been found and understood, before anything is computed. */
export interface PreparedRun {
  readonly args: Arguments
  readonly settings: LoraSettings
  readonly datasets: readonly DatasetSettings[]
  readonly data: TrainingData
  readonly base: Model
  readonly model: LearntModel
  readonly modules: readonly TrainedModule[]
  /** All tensors of the network at the beginning. */
  readonly network: ReadonlyMap<string, Tensor>
  /** Names of those that learn. */
  readonly learnt: readonly string[]
  /** Whether pixels count differently. */
  readonly isMasked: boolean
  /** Whether what the text encoder makes of captions is kept. */
  readonly keepsContexts: boolean
  readonly seed: number
  readonly schedule: {
    readonly batchesPerEpoch: number
    readonly stepsPerEpoch: number
    readonly epochs: number
    readonly totalSteps: number
  }
  readonly notes: readonly string[]
}

/** Reads the base model, the data and the network of a training. Relative paths begin at `folder`. */
export async function prepareRun(
  { values: args, notes: read }: ReadArguments,
  studio: Studio,
  folder: string,
  threads: number,
): Promise<PreparedRun> {
  const settings = loraSettings(args)
  checkAugmentation(args)
  const base = openBase(args, studio, folder)
  const sets = datasetSettings(args, folder)
  const seed = args.seed ?? Math.floor(Math.random() * 2 ** 32)
  const data = await readTrainingData(sets.datasets, seed)

  const weights = await withBaseWeights(base.weights, args, folder, threads)
  const rank = args.dim_from_weights && args.network_weights ? rankOf(resolve(folder, args.network_weights)) : undefined
  const options = rank === undefined ? settings.network : { ...settings.network, ...rank }
  const modules = networkModules(targetLayers(weights), options)
  const fresh = initialNetwork(modules, seed, (path) => readWeight(weights.get(`${path}.weight`)!))
  const start = args.network_weights
    ? continued(resolve(folder, args.network_weights), modules, fresh)
    : { network: fresh, notes: [] }

  const batchesPerEpoch = batchCount(data.datasets)
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / args.gradient_accumulation_steps)
  const totalSteps = args.max_train_epochs === undefined ? args.max_train_steps : args.max_train_epochs * stepsPerEpoch
  lrSchedule(settings.schedule(totalSteps)) // refuses what it cannot do before anything is computed
  const alphas = base.alphasCumprod
  return {
    args,
    settings,
    datasets: sets.datasets,
    data,
    base,
    model: {
      config: base.config,
      weights,
      alphasCumprod: args.zero_terminal_snr ? withZeroTerminalSnr(alphas) : alphas,
      weightingAlphas: alphas,
      prediction: args.v_parameterization ? 'v' : base.config.prediction,
    },
    modules,
    network: start.network,
    learnt: learntNames(modules, settings, base.config),
    isMasked: isMasked(args, sets.datasets),
    keepsContexts: keepsContexts(args, sets.datasets, modules),
    seed,
    schedule: { batchesPerEpoch, stepsPerEpoch, epochs: Math.ceil(totalSteps / stepsPerEpoch), totalSteps },
    notes: [...read, ...settings.notes, ...sets.notes, ...data.notes, ...start.notes, ...predictionNotes(base)],
  }
}

function predictionNotes({ checkpoint, config, isPredictionAssumed }: Model): readonly string[] {
  if (!isPredictionAssumed) return []
  return [
    `${checkpoint.name}: nothing says what it predicts; ${config.prediction} is assumed, v_parameterization says v`,
  ]
}

function checkAugmentation(args: Arguments): void {
  const isCached = args.cache_latents || args.cache_latents_to_disk
  for (const name of ['color_aug', 'random_crop'] as const) {
    if (!args[name] || !isCached) continue
    throw new StudioError(
      'bad-request',
      `${name}: changes pictures every time they are drawn, which cache_latents rules out`,
      { field: name },
    )
  }
}

function isMasked({ masked_loss }: Arguments, datasets: readonly DatasetSettings[]): boolean {
  const subsets = datasets.flatMap((dataset) => dataset.subsets)
  const hasMasks = subsets.some(({ hasAlphaMask, maskFolder }) => hasAlphaMask || maskFolder !== undefined)
  if (masked_loss && !hasMasks) {
    throw new StudioError(
      'bad-request',
      'masked_loss: there are no masks; conditioning_data_dir names a folder of them, alpha_mask takes transparency',
      { field: 'masked_loss' },
    )
  }
  return hasMasks
}

/** Refuses to keep contexts where they would not be what is learnt from. */
function keepsContexts(
  args: Arguments,
  datasets: readonly DatasetSettings[],
  modules: readonly TrainedModule[],
): boolean {
  const field = 'cache_text_encoder_outputs'
  if (!args.cache_text_encoder_outputs && !args.cache_text_encoder_outputs_to_disk) return false
  if (modules.some(({ layer }) => layer.model === 'text')) {
    throw new StudioError(
      'bad-request',
      `${field}: the text encoder is trained, so that its outputs change; network_train_unet_only leaves it alone`,
      { field },
    )
  }
  const changing = datasets.flatMap(({ subsets }) => subsets).find(({ captions }) => !isFixedCaption(captions))
  if (changing) {
    throw new StudioError(
      'bad-request',
      `${field}: captions of ${changing.folder} change with every draw; leave out shuffling, dropout, warm-up and wildcards`,
      { field },
    )
  }
  return true
}

function openBase(args: Arguments, studio: Studio, folder: string): Model {
  const field = 'pretrained_model_name_or_path'
  const named = args.pretrained_model_name_or_path
  if (named === undefined || named === '') {
    throw new StudioError(
      'bad-request',
      `${field}: missing, expected a checkpoint's file or its name in models/Stable-diffusion`,
      { field },
    )
  }
  const model = studio.model(trainingFiles({ checkpoint: named, vae: args.vae }, field, { studio, folder }))
  refuseInpainting(model, field)
  return model
}

/** The model with other networks merged into it, so that what is learnt is the difference from them. */
async function withBaseWeights(
  weights: ReadonlyMap<string, WeightEntry>,
  { base_weights, base_weights_multiplier }: Arguments,
  folder: string,
  threads: number,
): Promise<ReadonlyMap<string, WeightEntry>> {
  if (base_weights.length === 0) return weights
  const uses = base_weights.map((path, i) => {
    const strength = Number(base_weights_multiplier[i] ?? 1)
    if (!Number.isFinite(strength)) {
      throw new StudioError(
        'bad-request',
        `base_weights_multiplier: found ${base_weights_multiplier[i]}, expected a number`,
        {
          field: 'base_weights_multiplier',
        },
      )
    }
    return {
      network: fitNetwork(openNetwork(openWeights(resolve(folder, path))), weights),
      text: strength,
      unet: strength,
    }
  })
  const merged = await mergeNetworks(weights, mergePlan(uses), (graph) =>
    compile(graph, { residence: 'mapped', threads }),
  )
  return new Map([...weights, ...merged])
}

function rankOf(path: string): { dim: number; alpha: number } | undefined {
  const { modules } = openNetwork(openWeights(path))
  const module = modules.find(({ family }) => family === 'lora')
  const dim = module?.tensors.get('lora_down')?.shape[0]
  const alpha = module?.tensors.get('alpha')
  return dim === undefined ? undefined : { dim, alpha: alpha ? readWeight(alpha).data[0]! : dim }
}

/** A network that goes on from a file's numbers. Tensors of other shapes are an error that says what would fit. */
function continued(path: string, modules: readonly TrainedModule[], fresh: ReadonlyMap<string, Tensor>) {
  const { entries } = openWeights(path)
  const network = new Map(fresh)
  let missing = 0
  for (const module of modules) {
    for (const part of module.parts) {
      const name = tensorName(module, part)
      const entry = entries.get(name)
      if (!entry) {
        missing++
        continue
      }
      if (sizeOf(entry.shape) !== sizeOf(part.shape)) {
        throw new StudioError(
          'wrong-architecture',
          `network_weights: ${basename(path)} has ${name} of [${entry.shape.join(', ')}], network_dim asks for [${part.shape.join(', ')}]; give the file's network_dim, or dim_from_weights`,
          { field: 'network_weights' },
        )
      }
      network.set(name, { shape: part.shape, data: readWeight(entry).data })
    }
  }
  if (missing === fresh.size) {
    throw new StudioError(
      'wrong-architecture',
      `network_weights: ${basename(path)} has none of this network's tensors`,
      { field: 'network_weights' },
    )
  }
  return {
    network,
    notes: missing === 0 ? [] : [`network_weights: ${missing} tensors are not in ${basename(path)} and begin anew`],
  }
}
