import { symbol } from '../graph/dim.ts'
import { type GradOptions, grad } from '../graph/grad.ts'
import { simplify } from '../graph/simplify.ts'
import { Graph } from '../graph/value.ts'
import type { VaeConfig } from '../models/configs.ts'
import { vaeLayout } from '../models/layout.ts'
import { vaeDecode, vaeEncode } from '../models/vae.ts'
import { Scope } from '../nn/scope.ts'
import { initialParameters } from './initialise.ts'
import { type AutoencoderWeights, autoencoderLoss, posterior, sampled } from './losses/autoencoder.ts'
import { noWeights, type Parameters, parameterInputs } from './parameters.ts'
import { trainingEmit } from './trainingEmit.ts'

/** The size of a batch of pictures. */
export interface PictureBatch {
  readonly batch: number
  /** Side of the pictures in pixels. */
  readonly size: number
}

/** Untrained parameters of an autoencoder, by their names in a checkpoint. */
export function initialVae(config: VaeConfig, seed: number): Parameters {
  return initialParameters(vaeLayout(config), seed)
}

/**
 * What an autoencoder learns from: `pictures` [B, 3, size, size] in −1…1, unit normal `noise` [B, z, size/8, size/8] and
 * the parameters → the parts of the loss and `d <name>` for each parameter.
 */
export function vaeTrainingGraph(
  config: VaeConfig,
  { batch, size }: PictureBatch,
  weights: AutoencoderWeights,
  options: GradOptions = {},
): Graph {
  const graph = new Graph()
  const layout = vaeLayout(config)
  const { standIn, inputs } = parameterInputs(graph, (path) => layout.get(path))
  const scope = new Scope({ graph, weights: noWeights, standIn, emit: trainingEmit }).at('first_stage_model')
  const pictures = graph.input('pictures', [batch, 3, size, size])

  const latent = posterior(vaeEncode(scope, pictures, config))
  const noise = graph.input('noise', latent.mean.shape)
  const parts = autoencoderLoss(pictures, vaeDecode(scope, sampled(latent, noise), config), latent, weights)
  for (const [name, value] of Object.entries(parts)) graph.output(name, value)
  const gradients = grad(parts.loss, [...inputs.values()], options)
  for (const [i, name] of [...inputs.keys()].entries()) graph.output(`d ${name}`, gradients[i]!)
  return simplify(graph)
}

/** What an autoencoder is judged by: any number of `pictures` → their `reconstructions` from the latents' `means`. */
export function vaeReconstructionGraph(config: VaeConfig, size: number): Graph {
  const graph = new Graph()
  const layout = vaeLayout(config)
  const { standIn } = parameterInputs(graph, (path) => layout.get(path))
  const scope = new Scope({ graph, weights: noWeights, standIn }).at('first_stage_model')
  const pictures = graph.input('pictures', [symbol('batch'), 3, size, size])
  const { mean } = posterior(vaeEncode(scope, pictures, config))
  graph.output('means', mean)
  graph.output('reconstructions', vaeDecode(scope, mean, config))
  return simplify(graph)
}
