import type { ModelConfig, TextConfig, UnetConfig, VaeConfig } from './configs.ts'
import { prefixes } from './keys.ts'

type Shape = readonly number[]

/** Names and shapes of tensors, in the order in which a model has them. */
export type Layout = ReadonlyMap<string, Shape>

/**
 * Every tensor a checkpoint of this configuration needs, by its CompVis name (OpenCLIP's joint projections split):
 * what a file is checked against, and what one can be made from.
 */
export function modelLayout(config: ModelConfig): Layout {
  return new Map([...textLayout(config.text), ...unetLayout(config.unet), ...vaeLayout(config.vae)])
}

/** Collects tensors under a path. */
class Collector {
  readonly tensors: Map<string, Shape>
  readonly path: string

  constructor(path: string, tensors: Map<string, Shape> = new Map()) {
    this.path = path
    this.tensors = tensors
  }

  at(name: string): Collector {
    return new Collector(`${this.path}${name}.`, this.tensors)
  }

  tensor(name: string, shape: Shape): void {
    this.tensors.set(this.path + name, shape)
  }

  /** A weight and a bias for each of its rows. */
  layer(name: string, weight: Shape): void {
    this.tensor(`${name}.weight`, weight)
    this.tensor(`${name}.bias`, [weight[0]!])
  }

  norm(name: string, width: number): void {
    this.layer(name, [width])
  }

  conv(name: string, to: number, from: number, kernel: number): void {
    this.layer(name, [to, from, kernel, kernel])
  }
}

export function textLayout({ kind, layers, width, mlpWidth, vocabulary, tokens }: TextConfig): Layout {
  const isClip = kind === 'clip'
  const model = new Collector(isClip ? prefixes.clip : prefixes.openclip)
  model.tensor(isClip ? 'embeddings.token_embedding.weight' : 'token_embedding.weight', [vocabulary, width])
  model.tensor(isClip ? 'embeddings.position_embedding.weight' : 'positional_embedding', [tokens, width])
  for (let i = 0; i < layers; i++) {
    const layer = model.at(isClip ? `encoder.layers.${i}` : `transformer.resblocks.${i}`)
    for (const norm of isClip ? ['layer_norm1', 'layer_norm2'] : ['ln_1', 'ln_2']) layer.norm(norm, width)
    const attention = layer.at(isClip ? 'self_attn' : 'attn')
    for (const projection of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) attention.layer(projection, [width, width])
    layer.layer(isClip ? 'mlp.fc1' : 'mlp.c_fc', [mlpWidth, width])
    layer.layer(isClip ? 'mlp.fc2' : 'mlp.c_proj', [width, mlpWidth])
  }
  model.norm(isClip ? 'final_layer_norm' : 'ln_final', width)
  return model.tensors
}

export function unetLayout(config: UnetConfig): Layout {
  const { channels, mult, resBlocks, attention } = config
  const unet = new Collector(prefixes.unet)
  const temb = 4 * channels
  unet.layer('time_embed.0', [temb, channels])
  unet.layer('time_embed.2', [temb, temb])
  unet.conv('input_blocks.0.0', channels, config.inChannels, 3)

  const skips = [channels]
  let width = channels
  for (const [level, factor] of mult.entries()) {
    for (let i = 0; i < resBlocks; i++) {
      const block = unet.at(`input_blocks.${skips.length}`)
      unetResBlock(block.at('0'), width, channels * factor, temb)
      width = channels * factor
      if (attention[level]) transformer(block.at('1'), width, config)
      skips.push(width)
    }
    if (level < mult.length - 1) {
      unet.conv(`input_blocks.${skips.length}.0.op`, width, width, 3)
      skips.push(width)
    }
  }

  unetResBlock(unet.at('middle_block.0'), width, width, temb)
  transformer(unet.at('middle_block.1'), width, config)
  unetResBlock(unet.at('middle_block.2'), width, width, temb)

  let blocks = 0
  for (const [level, factor] of [...mult.entries()].reverse()) {
    for (let i = 0; i <= resBlocks; i++) {
      const block = unet.at(`output_blocks.${blocks++}`)
      unetResBlock(block.at('0'), width + skips.pop()!, channels * factor, temb)
      width = channels * factor
      if (attention[level]) transformer(block.at('1'), width, config)
      if (level > 0 && i === resBlocks) block.conv(`${attention[level] ? 2 : 1}.conv`, width, width, 3)
    }
  }
  unet.norm('out.0', width)
  unet.conv('out.2', config.outChannels, width, 3)
  return unet.tensors
}

function unetResBlock(block: Collector, from: number, to: number, temb: number): void {
  block.norm('in_layers.0', from)
  block.conv('in_layers.2', to, from, 3)
  block.layer('emb_layers.1', [to, temb])
  block.norm('out_layers.0', to)
  block.conv('out_layers.3', to, to, 3)
  if (from !== to) block.conv('skip_connection', to, from, 1)
}

function transformer(scope: Collector, width: number, config: UnetConfig): void {
  const project: Shape = config.isLinearInTransformer ? [width, width] : [width, width, 1, 1]
  scope.norm('norm', width)
  scope.layer('proj_in', project)
  for (let depth = 0; depth < config.transformerDepth; depth++) {
    const block = scope.at(`transformer_blocks.${depth}`)
    for (const [name, context] of [
      ['attn1', width],
      ['attn2', config.contextWidth],
    ] as const) {
      block.tensor(`${name}.to_q.weight`, [width, width])
      block.tensor(`${name}.to_k.weight`, [width, context])
      block.tensor(`${name}.to_v.weight`, [width, context])
      block.layer(`${name}.to_out.0`, [width, width])
    }
    block.layer('ff.net.0.proj', [8 * width, width])
    block.layer('ff.net.2', [width, 4 * width])
    for (const norm of ['norm1', 'norm2', 'norm3']) block.norm(norm, width)
  }
  scope.layer('proj_out', project)
}

export function vaeLayout({ channels, mult, resBlocks, latentChannels }: VaeConfig): Layout {
  const vae = new Collector(prefixes.vae)
  const deepest = channels * mult.at(-1)!

  const encoder = vae.at('encoder')
  encoder.conv('conv_in', channels, 3, 3)
  let width = channels
  for (const [level, factor] of mult.entries()) {
    const down = encoder.at(`down.${level}`)
    for (let i = 0; i < resBlocks; i++) {
      vaeResBlock(down.at(`block.${i}`), width, channels * factor)
      width = channels * factor
    }
    if (level < mult.length - 1) down.conv('downsample.conv', width, width, 3)
  }
  vaeMiddle(encoder.at('mid'), deepest)
  encoder.norm('norm_out', deepest)
  encoder.conv('conv_out', 2 * latentChannels, deepest, 3)
  vae.conv('quant_conv', 2 * latentChannels, 2 * latentChannels, 1)

  const decoder = vae.at('decoder')
  vae.conv('post_quant_conv', latentChannels, latentChannels, 1)
  decoder.conv('conv_in', deepest, latentChannels, 3)
  vaeMiddle(decoder.at('mid'), deepest)
  for (const [level, factor] of [...mult.entries()].reverse()) {
    const up = decoder.at(`up.${level}`)
    for (let i = 0; i <= resBlocks; i++) {
      vaeResBlock(up.at(`block.${i}`), width, channels * factor)
      width = channels * factor
    }
    if (level > 0) up.conv('upsample.conv', width, width, 3)
  }
  decoder.norm('norm_out', channels * mult[0]!)
  decoder.conv('conv_out', 3, channels * mult[0]!, 3)
  return vae.tensors
}

function vaeMiddle(middle: Collector, width: number): void {
  vaeResBlock(middle.at('block_1'), width, width)
  const attention = middle.at('attn_1')
  attention.norm('norm', width)
  for (const name of ['q', 'k', 'v', 'proj_out']) attention.conv(name, width, width, 1)
  vaeResBlock(middle.at('block_2'), width, width)
}

function vaeResBlock(block: Collector, from: number, to: number): void {
  block.norm('norm1', from)
  block.conv('conv1', to, from, 3)
  block.norm('norm2', to)
  block.conv('conv2', to, to, 3)
  if (from !== to) block.conv('nin_shortcut', to, from, 1)
}
