import type { WeightEntry } from '../../files/weights.ts'
import type { ModelConfig } from '../../models/configs.ts'
import type { Feed } from '../../runtime/session.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { maskName } from './attach.ts'
import { type CaptionBatch, ContextCache, type ContextPlace } from './contexts.ts'
import { type Dropout, dropoutMask, hasDropout } from './dropout.ts'
import type { BatchSize, TextReading } from './graph.ts'
import { type TrainedModule, tensorName } from './network.ts'
import { mixed, type Noise, type UniformStream } from './noising.ts'
import type { StepSessions } from './sessions.ts'
import type { LoraSettings } from './settings.ts'
import { bendAt, timestepWeight } from './weighting.ts'

/** What a network is trained beside. */
export interface LearntModel {
  readonly config: ModelConfig
  readonly weights: ReadonlyMap<string, WeightEntry>
  /** ᾱ that latents are noised by. */
  readonly alphasCumprod: Float32Array
  /** ᾱ that signal-to-noise ratios are taken of: those before the schedule was bent to end in noise. */
  readonly weightingAlphas: Float32Array
  readonly prediction: 'epsilon' | 'v'
}

/** The pictures of one step. */
export interface LoraBatch extends CaptionBatch {
  /** Scaled latents [B, C, H, W]. */
  readonly latents: Tensor
  readonly noise: Noise
  readonly timesteps: readonly number[]
  /** What each picture's error counts. */
  readonly lossWeights: readonly number[]
  /** Factors on the errors [B, 1, H, W]. */
  readonly mask?: Tensor
}

/** Runs steps of a network's training, by graphs of the sizes that come up. */
export class Learner {
  readonly #model: LearntModel
  readonly #settings: LoraSettings
  readonly #modules: readonly TrainedModule[]
  readonly #isMasked: boolean
  readonly #text: TextReading
  readonly #sessions: StepSessions
  readonly #still: ReadonlyMap<string, Tensor>
  readonly #learns: (name: string) => boolean
  readonly #contexts: ContextCache | undefined

  /** Contexts are kept if a place is given, which takes a text encoder that no module belongs to. */
  constructor(options: {
    readonly model: LearntModel
    readonly settings: LoraSettings
    readonly modules: readonly TrainedModule[]
    readonly network: ReadonlyMap<string, Tensor>
    readonly isMasked: boolean
    readonly sessions: StepSessions
    readonly contexts?: ContextPlace | undefined
  }) {
    const { model, settings, modules, network, isMasked, sessions } = options
    this.#model = model
    this.#settings = settings
    this.#modules = modules
    this.#isMasked = isMasked
    this.#sessions = sessions
    const learnt = new Set(learntNames(modules, settings, model.config))
    this.#learns = (name) => learnt.has(name)
    this.#still = new Map([...network].filter(([name]) => !learnt.has(name)))
    const hasText = modules.some(({ layer }) => layer.model === 'text')
    this.#text = { ...settings.text, isInside: hasText }
    this.#contexts = options.contexts && new ContextCache((captions) => this.#encoded(captions), options.contexts)
  }

  /** The loss of a batch, the error of each picture and the gradients of what is learnt. */
  async run(feeds: Readonly<Record<string, Feed>>, isForwardOnly = false): Promise<Record<string, Tensor>> {
    const [batch, , height, width] = feeds.noisy!.shape as [number, number, number, number]
    const { session } = await this.#opened({ batch, height, width }, isForwardOnly)
    const all: Record<string, Feed> = { ...Object.fromEntries(this.#still), ...feeds }
    return session.run(Object.fromEntries(session.inputs.map((name) => [name, all[name]!])))
  }

  /** What the graph of a batch is fed beside the network. `uniform` is what dropout is drawn from. */
  async feeds(batch: LoraBatch, uniform?: UniformStream): Promise<Record<string, Feed>> {
    const { latents, noise, timesteps, lossWeights, mask } = batch
    const { alphasCumprod, weightingAlphas, prediction } = this.#model
    const { weighting, bend, loss } = this.#settings
    const [count, , height, width] = latents.shape as [number, number, number, number]
    const { noisy } = mixed(latents, noise.mixed, timesteps, alphasCumprod)
    const target = prediction === 'v' ? mixed(latents, noise.noise, timesteps, alphasCumprod).velocity : noise.noise
    const weights = timesteps.map((timestep, i) => {
      const alpha = weightingAlphas[timestep]!
      return (lossWeights[i]! * timestepWeight(alpha / (1 - alpha), { ...weighting, prediction })) / count
    })
    const feeds: Record<string, Feed> = {
      noisy,
      target,
      timesteps: vector(timesteps),
      weights: vector(weights),
      ...(this.#text.isInside ? this.#captionFeeds(batch) : { context: await this.context(batch) }),
    }
    if (this.#isMasked) {
      feeds.mask = mask ?? { shape: [count, 1, height, width], data: new Float32Array(count * height * width).fill(1) }
    }
    if (loss === 'huber' || loss === 'smooth_l1') {
      feeds.c = vector(timesteps.map((timestep) => bendAt(timestep, weightingAlphas[timestep]!, bend)))
    }
    if (hasDropout(this.#settings.dropout)) {
      Object.assign(feeds, await this.#masks({ batch: count, height, width }, this.#settings.dropout, uniform))
    }
    return feeds
  }

  /** What the text encoder makes of captions, where it is not part of the graph. */
  async context(captions: CaptionBatch): Promise<Tensor> {
    return this.#contexts?.get(captions) ?? this.#encoded(captions)
  }

  async #encoded(captions: CaptionBatch): Promise<Tensor> {
    const encoder = await this.#sessions.encoder(this.#model, this.#text)
    const { context } = await encoder.run(this.#captionFeeds(captions))
    return context!
  }

  #captionFeeds({ tokens, tokenWeights }: CaptionBatch): Record<string, Feed> {
    const { chunks, isWeighted } = this.#text
    const feeds: Record<string, Feed> = {
      tokens: { shape: [tokens.length * chunks, 77], data: BigInt64Array.from(tokens.flat(), BigInt) },
    }
    if (isWeighted && tokenWeights) {
      const states = tokenWeights[0]!.length
      const data = Float32Array.from(tokenWeights.flatMap((weights) => [...weights]))
      feeds['token weights'] = { shape: [tokens.length, states, 1], data }
    }
    return feeds
  }

  async #masks(size: BatchSize, dropout: Dropout, uniform: UniformStream | undefined): Promise<Record<string, Feed>> {
    const { shapes } = await this.#opened(size, false)
    return Object.fromEntries(
      this.#modules.flatMap(({ layer }) => {
        const shape = shapes.get(maskName(layer.path))
        if (!shape) return []
        const rankAxis = layer.shape.length > 2 && shape.length === 4 ? 1 : shape.length - 1
        const data = uniform ? dropoutMask(shape, rankAxis, dropout, uniform) : new Float32Array(product(shape)).fill(1)
        return [[maskName(layer.path), { shape, data }]]
      }),
    )
  }

  #opened(size: BatchSize, isForwardOnly: boolean) {
    const { config, weights } = this.#model
    const { dropout, loss, recomputes } = this.#settings
    const options = {
      config,
      weights,
      modules: this.#modules,
      hasDropout: hasDropout(dropout),
      loss,
      isMasked: this.#isMasked,
      text: this.#text,
      learns: this.#learns,
      recomputes,
      isForwardOnly,
    }
    return this.#sessions.step(options, size)
  }
}

/** The tensors that a training changes: those whose rate is not 0 and whose layer is not skipped. */
export function learntNames(
  modules: readonly TrainedModule[],
  { rates, text }: LoraSettings,
  { text: encoder }: ModelConfig,
): readonly string[] {
  const skip = encoder.kind === 'clip' ? text.skip : encoder.skippedLayers
  return modules
    .filter(({ layer }) => {
      if (rates[layer.model] === 0) return false
      const depth = /_layers_(\d+)_/.exec(layer.name)?.[1]
      return layer.model === 'unet' || Number(depth) < encoder.layers - skip
    })
    .flatMap((module) => module.parts.map((part) => tensorName(module, part)))
}

function vector(numbers: readonly number[]): Tensor {
  return { shape: [numbers.length], data: Float32Array.from(numbers) }
}

function product(shape: readonly number[]): number {
  return shape.reduce((all, dim) => all * dim, 1)
}
