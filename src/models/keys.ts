/** The names under which a checkpoint holds its parts, as CompVis published them. */
export const prefixes = {
  unet: 'model.diffusion_model.',
  clip: 'cond_stage_model.transformer.text_model.',
  openclip: 'cond_stage_model.model.',
  vae: 'first_stage_model.',
} as const

type Rule = readonly [RegExp, string | ((...groups: string[]) => string)]

/** The first rule that matches a name rewrites it; a name that no rule knows has no counterpart. */
function renamed(name: string, rules: readonly Rule[]): string | undefined {
  for (const [pattern, replacement] of rules) {
    const match = pattern.exec(name)
    if (!match) continue
    const start = typeof replacement === 'string' ? replacement : replacement(...match.slice(1))
    return start + name.slice(match[0].length)
  }
  return undefined
}

/**
 * Translates names of a diffusers UNet to the checkpoint's. diffusers counts blocks within each level, the
 * checkpoint through all of them, so how many residual blocks a level has is read off the names themselves.
 */
export function unetFromDiffusers(names: Iterable<string>): ReadonlyMap<string, string> {
  const all = [...names]
  const known = new Set(all)
  const blocks = all.filter((name) => /^down_blocks\.0\.resnets\.\d+\.norm1\.weight$/.test(name)).length
  const hasAttention = (level: string) => known.has(`up_blocks.${level}.attentions.0.norm.weight`)
  const input = (level: string, block: string) => 1 + Number(level) * (blocks + 1) + Number(block)
  const output = (level: string, block: string) => Number(level) * (blocks + 1) + Number(block)

  const rules: readonly Rule[] = [
    [/^conv_in\./, 'input_blocks.0.0.'],
    [/^time_embedding\.linear_1\./, 'time_embed.0.'],
    [/^time_embedding\.linear_2\./, 'time_embed.2.'],
    [/^conv_norm_out\./, 'out.0.'],
    [/^conv_out\./, 'out.2.'],
    [/^down_blocks\.(\d+)\.resnets\.(\d+)\./, (level, block) => `input_blocks.${input(level!, block!)}.0.`],
    [/^down_blocks\.(\d+)\.attentions\.(\d+)\./, (level, block) => `input_blocks.${input(level!, block!)}.1.`],
    [/^down_blocks\.(\d+)\.downsamplers\.0\.conv\./, (level) => `input_blocks.${input(level!, `${blocks}`)}.0.op.`],
    [/^mid_block\.resnets\.0\./, 'middle_block.0.'],
    [/^mid_block\.attentions\.0\./, 'middle_block.1.'],
    [/^mid_block\.resnets\.1\./, 'middle_block.2.'],
    [/^up_blocks\.(\d+)\.resnets\.(\d+)\./, (level, block) => `output_blocks.${output(level!, block!)}.0.`],
    [/^up_blocks\.(\d+)\.attentions\.(\d+)\./, (level, block) => `output_blocks.${output(level!, block!)}.1.`],
    [
      /^up_blocks\.(\d+)\.upsamplers\.0\.conv\./,
      (level) => `output_blocks.${output(level!, `${blocks}`)}.${hasAttention(level!) ? 2 : 1}.conv.`,
    ],
  ]
  return translate(all, (name) => {
    const inCheckpoint = renamed(name, rules)
    return name.includes('.resnets.') ? inCheckpoint && renameEnd(inCheckpoint, unetResnet) : inCheckpoint
  })
}

/** Layers of a UNet's residual block: diffusers' name, the checkpoint's. */
export const unetResnet: readonly (readonly [string, string])[] = [
  ['norm1', 'in_layers.0'],
  ['conv1', 'in_layers.2'],
  ['time_emb_proj', 'emb_layers.1'],
  ['norm2', 'out_layers.0'],
  ['conv2', 'out_layers.3'],
  ['conv_shortcut', 'skip_connection'],
]

/** Translates names of a diffusers VAE, whose decoder counts levels from the deepest, to the checkpoint's. */
export function vaeFromDiffusers(names: Iterable<string>): ReadonlyMap<string, string> {
  const all = [...names]
  const levels = new Set(all.map((name) => /^decoder\.up_blocks\.(\d+)\./.exec(name)?.[1]).filter(Boolean)).size
  const up = (level: string) => `decoder.up.${levels - 1 - Number(level)}`
  const rules: readonly Rule[] = [
    [/^(quant_conv|post_quant_conv)\./, (part) => `${part}.`],
    [/^(encoder|decoder)\.(conv_in|conv_out)\./, (half, layer) => `${half}.${layer}.`],
    [/^(encoder|decoder)\.conv_norm_out\./, (half) => `${half}.norm_out.`],
    [/^(encoder|decoder)\.mid_block\.resnets\.(\d)\./, (half, block) => `${half}.mid.block_${Number(block) + 1}.`],
    [/^(encoder|decoder)\.mid_block\.attentions\.0\./, (half) => `${half}.mid.attn_1.`],
    [/^encoder\.down_blocks\.(\d+)\.resnets\.(\d+)\./, (level, block) => `encoder.down.${level}.block.${block}.`],
    [/^encoder\.down_blocks\.(\d+)\.downsamplers\.0\.conv\./, (level) => `encoder.down.${level}.downsample.conv.`],
    [/^decoder\.up_blocks\.(\d+)\.resnets\.(\d+)\./, (level, block) => `${up(level!)}.block.${block}.`],
    [/^decoder\.up_blocks\.(\d+)\.upsamplers\.0\.conv\./, (level) => `${up(level!)}.upsample.conv.`],
  ]
  return translate(all, (name) => {
    const inCheckpoint = renamed(name, rules)
    return inCheckpoint && renameEnd(inCheckpoint, vaeLayers)
  })
}

/** Layers inside a VAE's blocks: diffusers' names, of which the attention's have changed once, and the checkpoint's. */
const vaeLayers: readonly (readonly [string, string])[] = [
  ['conv_shortcut', 'nin_shortcut'],
  ['group_norm', 'norm'],
  ['to_q', 'q'],
  ['to_k', 'k'],
  ['to_v', 'v'],
  ['to_out.0', 'proj_out'],
  ['query', 'q'],
  ['key', 'k'],
  ['value', 'v'],
  ['proj_attn', 'proj_out'],
]

/** Translates names of a Transformers CLIP text model to those of OpenCLIP, whose weights SD 2 carries. */
export function openClipFromTransformers(names: Iterable<string>): ReadonlyMap<string, string> {
  const rules: readonly Rule[] = [
    [/^(?:text_model\.)?embeddings\.token_embedding\./, 'token_embedding.'],
    [/^(?:text_model\.)?embeddings\.position_embedding\.weight/, 'positional_embedding'],
    [/^(?:text_model\.)?final_layer_norm\./, 'ln_final.'],
    [/^(?:text_model\.)?encoder\.layers\.(\d+)\./, (layer) => `transformer.resblocks.${layer}.`],
  ]
  return translate(names, (name) => {
    const inCheckpoint = renamed(name, rules)
    return inCheckpoint && renameEnd(inCheckpoint, openClipLayers)
  })
}

/** Layers of a text transformer's block: Transformers' name, OpenCLIP's (its joint projection already split). */
export const openClipLayers: readonly (readonly [string, string])[] = [
  ['self_attn.q_proj', 'attn.q_proj'],
  ['self_attn.k_proj', 'attn.k_proj'],
  ['self_attn.v_proj', 'attn.v_proj'],
  ['self_attn.out_proj', 'attn.out_proj'],
  ['layer_norm1', 'ln_1'],
  ['layer_norm2', 'ln_2'],
  ['mlp.fc1', 'mlp.c_fc'],
  ['mlp.fc2', 'mlp.c_proj'],
]

/** Translates names of a Transformers CLIP text model to those SD 1 carries: the same, always under `text_model`. */
export function clipFromTransformers(names: Iterable<string>): ReadonlyMap<string, string> {
  return translate(names, (name) => /^(?:text_model\.)?((?:embeddings|encoder|final_layer_norm)\..+)$/.exec(name)?.[1])
}

/** `….norm1.weight` → `….in_layers.0.weight`: exchanges the layer at the end of a name, before its last part. */
function renameEnd(name: string, layers: readonly (readonly [string, string])[]): string {
  const dot = name.lastIndexOf('.')
  const [path, end] = [name.slice(0, dot), name.slice(dot)]
  const found = layers.find(([from]) => path.endsWith(`.${from}`))
  return found ? path.slice(0, path.length - found[0].length) + found[1] + end : name
}

/** Old name → new name, for those that have one. */
function translate(names: Iterable<string>, rename: (name: string) => string | undefined): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  for (const name of names) {
    const to = rename(name)
    if (to !== undefined) pairs.set(name, to)
  }
  return pairs
}
