import type { WeightEntry } from '../files/weights.ts'
import type { TextConfig, UnetConfig, VaeConfig } from './configs.ts'
import { prefixes } from './keys.ts'

type Weights = ReadonlyMap<string, WeightEntry>

/** Highest indices in any model of the family. A name may claim any; one beyond is no part of such a model. */
const highest = { inputBlock: 47, transformerBlock: 15, textLayer: 63, vaeLevel: 7, vaeBlock: 7 } as const

/** What the shapes of a UNet's tensors tell of it: all but heads and groups. Undefined without its first layers. */
export function unetSizes(weights: Weights): Omit<UnetConfig, 'heads' | 'normGroups'> | undefined {
  const dim = dims(weights, prefixes.unet)
  const channels = dim('input_blocks.0.0.weight', 0) ?? dim('time_embed.0.weight', 1)
  const inChannels = dim('input_blocks.0.0.weight', 1)
  if (channels === undefined || inChannels === undefined) return undefined
  const has = (path: string) => [...weights.keys()].some((name) => name.startsWith(prefixes.unet + path))

  // What a level lacks is taken from its neighbours, so that a file cut short still tells what it was.
  const mult: number[] = []
  const attention: boolean[] = []
  let resBlocks = 0
  let width = channels
  let inLevel = 0
  let attends = false
  const endLevel = () => {
    mult.push(width / channels)
    attention.push(attends)
    resBlocks = Math.max(resBlocks, inLevel)
    inLevel = 0
    attends = false
  }
  for (let block = 1; block <= lastIndex(weights, `${prefixes.unet}input_blocks.`, highest.inputBlock); block++) {
    if (has(`input_blocks.${block}.0.op.`)) {
      endLevel()
      continue
    }
    const at = `input_blocks.${block}.0`
    width = dim(`${at}.in_layers.2.weight`, 0) ?? dim(`${at}.out_layers.3.weight`, 0) ?? width
    attends ||= has(`input_blocks.${block}.1.`)
    inLevel++
  }
  endLevel()

  const middle = 'middle_block.1'
  return {
    inChannels,
    outChannels: dim('out.2.weight', 0) ?? 4,
    channels,
    mult,
    resBlocks,
    attention,
    transformerDepth: Math.max(
      1,
      1 + lastIndex(weights, `${prefixes.unet}${middle}.transformer_blocks.`, highest.transformerBlock),
    ),
    contextWidth: dim(`${middle}.transformer_blocks.0.attn2.to_k.weight`, 1) ?? 0,
    isLinearInTransformer: weights.get(`${prefixes.unet}${middle}.proj_in.weight`)?.shape.length === 2,
  }
}

/** What the shapes of a text encoder's tensors tell of it: all but heads and skipped layers. */
export function textSizes(weights: Weights): Omit<TextConfig, 'heads' | 'skippedLayers'> | undefined {
  const kind = [...weights.keys()].some((name) => name.startsWith(prefixes.openclip)) ? 'openclip' : 'clip'
  const isClip = kind === 'clip'
  const prefix = prefixes[kind]
  const dim = dims(weights, prefix)
  const table = isClip ? 'embeddings.token_embedding.weight' : 'token_embedding.weight'
  const [vocabulary, width] = [dim(table, 0), dim(table, 1)]
  if (vocabulary === undefined || width === undefined) return undefined
  const layers = isClip ? 'encoder.layers' : 'transformer.resblocks'
  return {
    kind,
    layers: 1 + lastIndex(weights, `${prefix}${layers}.`, highest.textLayer),
    width,
    mlpWidth: dim(`${layers}.0.${isClip ? 'mlp.fc1' : 'mlp.c_fc'}.weight`, 0) ?? 4 * width,
    vocabulary,
    tokens: dim(isClip ? 'embeddings.position_embedding.weight' : 'positional_embedding', 0) ?? 77,
  }
}

/** What the shapes of a VAE's tensors tell of it: all but the groups of its norms. */
export function vaeSizes(weights: Weights): Omit<VaeConfig, 'normGroups'> | undefined {
  const dim = dims(weights, prefixes.vae)
  const channels = dim('encoder.conv_in.weight', 0) ?? dim('decoder.norm_out.weight', 0)
  const latentChannels = dim('decoder.conv_in.weight', 1)
  if (channels === undefined || latentChannels === undefined) return undefined
  const levels = 1 + lastIndex(weights, `${prefixes.vae}decoder.up.`, highest.vaeLevel)
  const widths = Array.from({ length: levels }, (_, level) => dim(`decoder.up.${level}.block.0.conv2.weight`, 0))
  return {
    channels,
    mult: widths.map((width, level) => (width ?? channels * 2 ** level) / channels),
    resBlocks: Math.max(1, lastIndex(weights, `${prefixes.vae}decoder.up.0.block.`, highest.vaeBlock)),
    latentChannels,
  }
}

function dims(weights: Weights, prefix: string) {
  return (name: string, axis: number): number | undefined => weights.get(prefix + name)?.shape[axis]
}

/** The highest number up to `most` that follows a path in any name; −1 without any. */
function lastIndex(weights: Weights, path: string, most: number): number {
  let last = -1
  for (const name of weights.keys()) {
    const index = name.startsWith(path) ? Number.parseInt(name.slice(path.length), 10) : Number.NaN
    if (index > last && index <= most) last = index
  }
  return last
}
