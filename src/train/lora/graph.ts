import { type Dim, mulDims, symbol } from '../../graph/dim.ts'
import { grad } from '../../graph/grad.ts'
import { abs, add, concat, constant, mul, reshape, slice, sqrt, sub } from '../../graph/ops.ts'
import { simplify } from '../../graph/simplify.ts'
import { Graph, type Value } from '../../graph/value.ts'
import { clipText } from '../../models/clipText.ts'
import type { ModelConfig, TextConfig } from '../../models/configs.ts'
import { unet } from '../../models/unet.ts'
import { Scope, type WeightSource } from '../../nn/scope.ts'
import { weighedLoss } from '../weighedLoss.ts'
import { attachNetwork } from './attach.ts'
import type { TrainedModule } from './network.ts'

/** How far from the target an element's prediction counts, Charbonnier's curves with a bend at `c` of the timestep. */
export type LossType = 'l2' | 'l1' | 'huber' | 'smooth_l1'

export interface LoraGraphOptions {
  readonly config: ModelConfig
  /** The checkpoint, by CompVis names. */
  readonly weights: WeightSource
  readonly modules: readonly TrainedModule[]
  readonly hasDropout: boolean
  readonly loss: LossType
  /** Whether errors are multiplied with a mask before they are averaged. */
  readonly isMasked: boolean
  readonly text: TextReading
  /** Which of the network's tensors are learnt, by name; all unless told. */
  readonly learns?: (name: string) => boolean
  /** Whether the way back computes anew what it needs instead of keeping it. */
  readonly recomputes?: boolean
  /** Without gradients, for validation. */
  readonly isForwardOnly?: boolean
}

/** How captions become a context. */
export interface TextReading {
  /** Whether the text encoder is part of the graph; otherwise the context is an input. */
  readonly isInside: boolean
  /** Chunks of 75 tokens in every caption. */
  readonly chunks: number
  /** Last layers left out. */
  readonly skip: number
  /** Whether tokens have weights of their own. */
  readonly isWeighted: boolean
}

/**
 * The size of a batch. Each gets a graph of its own: with open sizes the runtime takes several times as long to open
 * one.
 */
export interface BatchSize {
  readonly batch: number
  /** Height and width of the latents. */
  readonly height: number
  readonly width: number
}

/**
 * One step of training a network beside a latent diffusion model. Reads `noisy` latents [B, 4, H, W], `timesteps` [B],
 * `target` [B, 4, H, W], `weights` [B] that sum the errors of the pictures up to the loss, perhaps a `mask` [B, 1, H, W]
 * and bends `c` [B], `tokens` [B·chunks, 77] (or `context`), and the network's tensors; gives `loss`, the `errors` of
 * the pictures [B] and `d <name>` for each tensor.
 */
export function loraGraph(options: LoraGraphOptions, { batch, height, width }: BatchSize): Graph {
  const { config, weights, modules, recomputes = false, isForwardOnly = false, learns = () => true } = options
  const graph = new Graph()
  const network = attachNetwork(graph, modules, weights, options)
  // Attention's scores are the bulk of what a step makes: fused, they are computed anew on the way back instead of kept.
  const root = new Scope({ graph, weights, adapter: network.adapter, standIn: network.standIn })

  const noisy = graph.input('noisy', [batch, config.unet.inChannels, height, width])
  const timesteps = graph.input('timesteps', [batch])
  const context = contextOf(root, options, batch)
  const prediction = unet(root.at('model.diffusion_model'), { latent: noisy, timesteps, context }, config.unet)

  const each = elementErrors(prediction, graph.input('target', prediction.shape), options.loss)
  const loss = weighedLoss(each, options.isMasked)
  if (isForwardOnly) return simplify(graph)
  const learnt = [...network.inputs].filter(([name]) => learns(name))
  const gradients = grad(
    loss,
    learnt.map(([, input]) => input),
    { recomputes },
  )
  for (const [i, [name]] of learnt.entries()) graph.output(`d ${name}`, gradients[i]!)
  return simplify(graph)
}

/** Captions' tokens → context [B, tokens, width], by a frozen encoder: what is learnt from when no text is trained. */
export function contextGraph(config: ModelConfig, weights: WeightSource, text: TextReading): Graph {
  const graph = new Graph()
  graph.output('context', encoded(new Scope({ graph, weights }), config.text, text, symbol('batch')))
  return simplify(graph)
}

function contextOf(root: Scope, { config, text }: LoraGraphOptions, batch: number): Value {
  if (text.isInside) return encoded(root, config.text, text, batch)
  return root.graph.input('context', [batch, 75 * text.chunks + 2, config.unet.contextWidth])
}

function encoded(root: Scope, config: TextConfig, { chunks, skip, isWeighted }: TextReading, batch: Dim): Value {
  const { graph } = root
  const model = root.at('cond_stage_model')
  const scope = config.kind === 'clip' ? model.at('transformer.text_model') : model.at('model')
  const none = constant(graph, new Float32Array(1), [1, 1, 1])
  const tokens = graph.input('tokens', [mulDims(batch, chunks), config.tokens], 'int64')
  const hidden = clipText(scope, { tokens, injected: none, isInjected: none }, config, { skip })
  const states = chunks === 1 ? hidden : joined(hidden, chunks, config, batch)
  return isWeighted ? mul(states, graph.input('token weights', [batch, 75 * chunks + 2, 1])) : states
}

/** The states of a caption's chunks one after the other, with one beginning and one end: [B·n, 77, W] → [B, 75·n + 2, W]. */
function joined(hidden: Value, chunks: number, { tokens, width }: TextConfig, batch: Dim): Value {
  const perCaption = reshape(hidden, [batch, chunks, tokens, width])
  const statesOf = (chunk: number, start: number, end: number) =>
    reshape(slice(slice(perCaption, 1, chunk, chunk + 1), 2, start, end), [batch, end - start, width])
  const words = Array.from({ length: chunks }, (_, chunk) => statesOf(chunk, 1, tokens - 1))
  return concat([statesOf(0, 0, 1), ...words, statesOf(chunks - 1, tokens - 1, tokens)], 1)
}

function elementErrors(prediction: Value, target: Value, loss: LossType): Value {
  const error = sub(prediction, target)
  if (loss === 'l1') return abs(error)
  const square = mul(error, error)
  if (loss === 'l2') return square
  const batch = prediction.shape[0]!
  const c = reshape(prediction.graph.input('c', [batch]), [batch, 1, 1, 1])
  const curve = sub(sqrt(add(square, mul(c, c))), c)
  return mul(curve, loss === 'huber' ? mul(c, 2) : 2)
}
