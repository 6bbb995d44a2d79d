import { type Dim, symbol } from '../graph/dim.ts'
import { Graph } from '../graph/value.ts'
import type { Emit } from '../nn/emit.ts'
import { type Adapter, Scope, type WeightSource } from '../nn/scope.ts'
import { clipText } from './clipText.ts'
import type { ModelConfig } from './configs.ts'
import { type UnetOptions, unet } from './unet.ts'
import { vaeDecode, vaeEncode } from './vae.ts'

export interface GraphOptions {
  /** The checkpoint, by CompVis names with their prefixes (`model.diffusion_model.…`). */
  readonly weights: WeightSource
  readonly emit?: Emit
  readonly adapter?: Adapter
}

export interface UnetGraphOptions extends GraphOptions, UnetOptions {
  /** A latent's height and width, for a graph of that size alone. */
  readonly size?: { readonly height: number; readonly width: number }
}

/** The text encoder: `tokens`, `injected`, `isInjected` → `hidden`, as `clipText` has them. */
export function textGraph(config: ModelConfig, options: GraphOptions, { skip }: { skip: number }): Graph {
  const { tokens: length, width, kind } = config.text
  const graph = new Graph()
  const batch = symbol('batch')
  const inputs = {
    tokens: graph.input('tokens', [batch, length], 'int64'),
    injected: graph.input('injected', [batch, length, width]),
    isInjected: graph.input('isInjected', [batch, length, 1]),
  }
  const root = new Scope({ graph, ...options }).at('cond_stage_model')
  const scope = kind === 'clip' ? root.at('transformer.text_model') : root.at('model')
  graph.output('hidden', clipText(scope, inputs, config.text, { skip }))
  return graph
}

/**
 * The denoiser: `latent` [B, C, H, W], `timesteps` [B], `context` [B, S, D] → `prediction` [B, 4, H, W].
 * Unless given a size it takes every height and width that halves exactly at each level (for SD 1 and 2, multiples of 8).
 */
export function unetGraph(config: ModelConfig, options: UnetGraphOptions): Graph {
  const graph = new Graph()
  const batch = symbol('batch')
  const halvings = 2 ** (config.unet.mult.length - 1)
  const inputs = {
    latent: graph.input('latent', [
      batch,
      config.unet.inChannels,
      ...(options.size ? [options.size.height, options.size.width] : openSpace(halvings)),
    ]),
    timesteps: graph.input('timesteps', [batch]),
    context: graph.input('context', [batch, symbol('tokens'), config.unet.contextWidth]),
  }
  const scope = new Scope({ graph, ...options }).at('model.diffusion_model')
  graph.output('prediction', unet(scope, inputs, config.unet, options))
  return graph
}

/** The VAE's decoder: `latent` [B, z, H, W], not scaled → `picture` [B, 3, 8H, 8W]. */
export function decoderGraph(config: ModelConfig, options: GraphOptions): Graph {
  const graph = new Graph()
  const latent = graph.input('latent', [symbol('batch'), config.vae.latentChannels, symbol('height'), symbol('width')])
  const scope = new Scope({ graph, ...options }).at('first_stage_model')
  graph.output('picture', vaeDecode(scope, latent, config.vae))
  return graph
}

export interface EncoderGraphOptions extends GraphOptions {
  /** A picture's height and width, for a graph of that size alone: the only way for one that does not halve evenly. */
  readonly size?: { readonly height: number; readonly width: number }
}

/** The VAE's encoder: `picture` [B, 3, 8H, 8W] → `moments` [B, 2z, H, W]; of a side between, the rest is not seen. */
export function encoderGraph(config: ModelConfig, options: EncoderGraphOptions): Graph {
  const graph = new Graph()
  const halvings = 2 ** (config.vae.mult.length - 1)
  const space = options.size ? [options.size.height, options.size.width] : openSpace(halvings)
  const picture = graph.input('picture', [symbol('batch'), 3, ...space])
  const scope = new Scope({ graph, ...options }).at('first_stage_model')
  graph.output('moments', vaeEncode(scope, picture, config.vae))
  return graph
}

/** A height and width of which each is a multiple. */
function openSpace(multiple: number): readonly Dim[] {
  return [symbol('height', multiple), symbol('width', multiple)]
}
