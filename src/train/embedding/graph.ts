import { grad } from '../../graph/grad.ts'
import { concat, div, matmul, mul, reduceMean, reduceSum, reshape, slice, sub } from '../../graph/ops.ts'
import { simplify } from '../../graph/simplify.ts'
import { Graph, type Value } from '../../graph/value.ts'
import { clipText } from '../../models/clipText.ts'
import type { ModelConfig } from '../../models/configs.ts'
import { unet } from '../../models/unet.ts'
import { Scope, type WeightSource } from '../../nn/scope.ts'
import { weighedLoss } from '../weighedLoss.ts'

export interface EmbeddingGraphOptions {
  readonly config: ModelConfig
  /** The checkpoint, by CompVis names. */
  readonly weights: WeightSource
  /** How many vectors the embedding has. */
  readonly vectors: number
  /** Last layers of the text encoder that are left out. */
  readonly skip: number
  /** Whether errors are multiplied by a mask before they are averaged. */
  readonly isMasked: boolean
  /** Whether the way back computes anew what it needs instead of keeping it. */
  readonly recomputes: boolean
}

/** The size of a batch, each of which gets a graph of its own, and how its texts are weighed. */
export interface EmbeddingBatchSize {
  readonly batch: number
  /** Height and width of the latents. */
  readonly height: number
  readonly width: number
  /** Chunks of 77 tokens in every text. */
  readonly chunks: number
  /** Whether tokens have weights, and whether a round of chunks is brought back to the mean it had without them. */
  readonly emphasis: 'none' | 'weighed' | 'balanced'
}

/**
 * One step of learning an embedding, all else frozen. Reads its `vectors` [n, W], `tokens` [chunks·B, 77] (the first chunk
 * of all texts, then the second), where vectors stand among them as rows of ones, `places` [chunks·B·77, n], perhaps
 * `token weights` [chunks·B, 77, 1], `noisy` latents [B, 4, H, W], `timesteps` [B], `target` [B, 4, H, W], `weights` [B] and
 * perhaps a `mask` [B, 1, H, W]; gives `loss`, the `errors` of the pictures [B] and `d vectors`.
 */
export function embeddingGraph(options: EmbeddingGraphOptions, size: EmbeddingBatchSize): Graph {
  const { config, weights, recomputes } = options
  const { batch, height, width } = size
  const graph = new Graph()
  const root = new Scope({ graph, weights })
  const vectors = graph.input('vectors', [options.vectors, config.text.width])
  const context = contextOf(root, vectors, options, size)
  const noisy = graph.input('noisy', [batch, config.unet.inChannels, height, width])
  const timesteps = graph.input('timesteps', [batch])
  const prediction = unet(root.at('model.diffusion_model'), { latent: noisy, timesteps, context }, config.unet)
  const error = sub(prediction, graph.input('target', prediction.shape))
  const loss = weighedLoss(mul(error, error), options.isMasked)
  const [gradient] = grad(loss, [vectors], { recomputes })
  graph.output('d vectors', gradient!)
  return simplify(graph)
}

/** Texts as generation reads them, chunk beside chunk: [B, 77·chunks, W]. */
function contextOf(
  root: Scope,
  vectors: Value,
  { config, skip, vectors: count }: EmbeddingGraphOptions,
  { batch, chunks, emphasis }: EmbeddingBatchSize,
): Value {
  const { graph } = root
  const { tokens: length, width, kind } = config.text
  const rows = chunks * batch
  const tokens = graph.input('tokens', [rows, length], 'int64')
  const places = graph.input('places', [rows * length, count])
  const injected = reshape(matmul(places, vectors), [rows, length, width])
  const isInjected = reshape(reduceSum(places, [1]), [rows, length, 1])
  const model = root.at('cond_stage_model')
  const scope = kind === 'clip' ? model.at('transformer.text_model') : model.at('model')
  const hidden = clipText(scope, { tokens, injected, isInjected }, config.text, { skip })
  const weighing = emphasis === 'none' ? undefined : graph.input('token weights', [rows, length, 1])
  const rounds = Array.from({ length: chunks }, (_, chunk) => {
    const of = (x: Value) => slice(x, 0, chunk * batch, (chunk + 1) * batch)
    const z = of(hidden)
    if (!weighing) return z
    const weighed = mul(z, of(weighing))
    return emphasis === 'weighed' ? weighed : mul(weighed, div(meanOf(z), meanOf(weighed)))
  })
  return concat(rounds, 1)
}

function meanOf(x: Value): Value {
  return reduceMean(x, [0, 1, 2])
}
