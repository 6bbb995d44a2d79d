import type { WeightEntry } from '../../files/weights.ts'
import { layerNames } from '../../lora/layerNames.ts'

/** A layer of a model that a network may adapt. */
export interface TargetLayer {
  /** The layer's name in a network file: `lora_unet_mid_block_attentions_0_proj_in`. */
  readonly name: string
  readonly model: 'text' | 'unet'
  /** The checkpoint's path of the layer, without `.weight`. */
  readonly path: string
  /** [out, in], or [out, in, kernel, kernel]. */
  readonly shape: readonly number[]
  /** Within a transformer (the text encoder is one), in the blocks and samplers around them, or at the UNet's ends. */
  readonly place: 'transformer' | 'residual' | 'end'
  /** Which of the UNet's 25 blocks it lies in, counted as kohya does; undefined elsewhere. */
  readonly block: number | undefined
}

/** Blocks of an SD 1 or 2 UNet by kohya's count: the input, 11 on the way down, the middle, 12 on the way up. */
export const blockCount = 25

/**
 * The layers that networks may adapt, text encoder first: linear layers and convolutions of the text encoder's blocks,
 * the UNet's transformers, its residual blocks and samplers, and its first and last layers.
 */
export function targetLayers(weights: ReadonlyMap<string, WeightEntry>): readonly TargetLayer[] {
  const targets = new Map<string, TargetLayer>()
  for (const [name, path] of layerNames(weights.keys())) {
    const shape = weights.get(`${path}.weight`)?.shape
    if (!shape || shape.length < 2) continue
    const target = textTarget(name) ?? unetTarget(name)
    if (target) targets.set(target.name, { ...target, path, shape })
  }
  const order = ['text', 'unet']
  return [...targets.values()].sort((a, b) => order.indexOf(a.model) - order.indexOf(b.model))
}

type Placed = Omit<TargetLayer, 'path' | 'shape'>

function textTarget(name: string): Placed | undefined {
  const match = /^text_(text_model_encoder_layers_\d+_(?:self_attn_(?:[qkv]|out)_proj|mlp_fc[12]))$/.exec(name)
  return match ? { name: `lora_te_${match[1]}`, model: 'text', place: 'transformer', block: undefined } : undefined
}

function unetTarget(name: string): Placed | undefined {
  const match = /^unet_((down|mid|up)_blocks?(?:_(\d+))?_(attentions|resnets|downsamplers|upsamplers)_(\d+)_.+)$/.exec(
    name,
  )
  if (!match) {
    const end = /^unet_(conv_in|conv_out|time_embedding_linear_[12])$/.exec(name)
    return end ? { name: `lora_unet_${end[1]}`, model: 'unet', place: 'end', block: undefined } : undefined
  }
  const [, layer, way, level, kind, index] = match
  const inLevel = kind === 'downsamplers' || kind === 'upsamplers' ? 2 : Number(index)
  const start = { down: 1, mid: 12, up: 13 }[way as 'down' | 'mid' | 'up']
  return {
    name: `lora_unet_${layer}`,
    model: 'unet',
    place: kind === 'attentions' ? 'transformer' : 'residual',
    block: way === 'mid' ? start : start + 3 * Number(level) + inLevel,
  }
}
