import { symbol } from '../graph/dim.ts'
import { type GradOptions, grad } from '../graph/grad.ts'
import { simplify } from '../graph/simplify.ts'
import { Graph } from '../graph/value.ts'
import type { UnetConfig } from '../models/configs.ts'
import { unetLayout } from '../models/layout.ts'
import { unet } from '../models/unet.ts'
import { Scope } from '../nn/scope.ts'
import { initialParameters } from './initialise.ts'
import { denoisingLoss } from './losses/denoising.ts'
import { noWeights, type Parameters, parameterInputs } from './parameters.ts'
import { trainingEmit } from './trainingEmit.ts'

/** Untrained parameters of a noise predictor, by their names in a checkpoint. */
export function initialUnet(config: UnetConfig, seed: number): Parameters {
  return initialParameters(unetLayout(config), seed)
}

/** Sizes of a batch: latents [batch, C, side, side], contexts [batch, tokens, D]. */
export interface LatentBatch {
  readonly batch: number
  readonly side: number
  readonly tokens: number
}

/**
 * What a noise predictor learns from: `latent`, `timesteps` [B], `context`, the `target` of its prediction, `weights`
 * [B] of the pictures' errors, and the parameters → `loss` and `d <name>` for each parameter.
 */
export function unetTrainingGraph(
  config: UnetConfig,
  { batch, side, tokens }: LatentBatch,
  options: GradOptions = {},
): Graph {
  const graph = new Graph()
  const layout = unetLayout(config)
  const { standIn, inputs } = parameterInputs(graph, (path) => layout.get(path))
  const scope = new Scope({ graph, weights: noWeights, standIn, emit: trainingEmit }).at('model.diffusion_model')
  const latent = graph.input('latent', [batch, config.inChannels, side, side])
  const timesteps = graph.input('timesteps', [batch])
  const context = graph.input('context', [batch, tokens, config.contextWidth])
  const prediction = unet(scope, { latent, timesteps, context }, config)
  const target = graph.input('target', [batch, config.outChannels, side, side])
  const loss = denoisingLoss(prediction, target, graph.input('weights', [batch]))
  graph.output('loss', loss)
  const gradients = grad(loss, [...inputs.values()], options)
  for (const [i, name] of [...inputs.keys()].entries()) graph.output(`d ${name}`, gradients[i]!)
  return simplify(graph)
}

/** What a noise predictor is judged by: `latent`, `timesteps`, `context` of any batch → `prediction`. */
export function unetPredictionGraph(config: UnetConfig, { side, tokens }: Omit<LatentBatch, 'batch'>): Graph {
  const graph = new Graph()
  const layout = unetLayout(config)
  const { standIn } = parameterInputs(graph, (path) => layout.get(path))
  const scope = new Scope({ graph, weights: noWeights, standIn }).at('model.diffusion_model')
  const batch = symbol('batch')
  const latent = graph.input('latent', [batch, config.inChannels, side, side])
  const timesteps = graph.input('timesteps', [batch])
  const context = graph.input('context', [batch, tokens, config.contextWidth])
  graph.output('prediction', unet(scope, { latent, timesteps, context }, config))
  return simplify(graph)
}
