import { flat } from './keys.ts'

/** Paths of the parts of a model, as checkpoints name them. */
const unetPrefix = 'model.diffusion_model.'
const clipPrefix = 'cond_stage_model.transformer.text_model.'
const openClipPrefix = 'cond_stage_model.model.'

/**
 * Every layer of a checkpoint by the names networks call it: `unet_` or `text_` and the flattened path, both in
 * diffusers' spelling and in the checkpoint's own. How many levels and blocks there are is read off the names of
 * the weights, so any width and depth of the SD 1 and SD 2 family is served.
 */
export function layerNames(weights: Iterable<string>): ReadonlyMap<string, string> {
  const paths = new Set<string>()
  for (const name of weights) {
    const dot = name.lastIndexOf('.')
    if (dot > 0) paths.add(name.slice(0, dot))
  }

  const names = new Map<string, string>()
  const toDiffusers = unetRenames(paths)
  for (const path of paths) {
    if (path.startsWith(unetPrefix)) {
      const inner = path.slice(unetPrefix.length)
      names.set(`unet_${flat(inner)}`, path)
      const renamed = renameUnetLayer(inner, toDiffusers)
      if (renamed) names.set(`unet_${flat(renamed)}`, path)
    } else if (path.startsWith(clipPrefix)) {
      names.set(`text_text_model_${flat(path.slice(clipPrefix.length))}`, path)
    } else if (path.startsWith(openClipPrefix)) {
      const renamed = renameOpenClipLayer(path.slice(openClipPrefix.length))
      if (renamed) names.set(`text_text_model_${flat(renamed)}`, path)
    }
  }
  return names
}

/**
 * The checkpoint numbers the blocks of a UNet through all levels; diffusers counts them within each level. Gives
 * diffusers' path for each module of a block: `input_blocks.4.1` → `down_blocks.1.attentions.0`.
 */
function unetRenames(paths: ReadonlySet<string>): ReadonlyMap<string, string> {
  const renames = new Map([
    ['input_blocks.0.0', 'conv_in'],
    ['time_embed.0', 'time_embedding.linear_1'],
    ['time_embed.2', 'time_embedding.linear_2'],
    ['out.0', 'conv_norm_out'],
    ['out.2', 'conv_out'],
    ['middle_block.0', 'mid_block.resnets.0'],
    ['middle_block.1', 'mid_block.attentions.0'],
    ['middle_block.2', 'mid_block.resnets.1'],
  ])
  const has = (path: string) => paths.has(unetPrefix + path)

  let level = 0
  let resnet = 0
  for (let block = 1; has(`input_blocks.${block}.0.in_layers.0`) || has(`input_blocks.${block}.0.op`); block++) {
    if (has(`input_blocks.${block}.0.op`)) {
      renames.set(`input_blocks.${block}.0.op`, `down_blocks.${level}.downsamplers.0.conv`)
      level++
      resnet = 0
    } else {
      renames.set(`input_blocks.${block}.0`, `down_blocks.${level}.resnets.${resnet}`)
      renames.set(`input_blocks.${block}.1`, `down_blocks.${level}.attentions.${resnet}`)
      resnet++
    }
  }

  level = 0
  resnet = 0
  for (let block = 0; has(`output_blocks.${block}.0.in_layers.0`); block++) {
    renames.set(`output_blocks.${block}.0`, `up_blocks.${level}.resnets.${resnet}`)
    renames.set(`output_blocks.${block}.1`, `up_blocks.${level}.attentions.${resnet}`)
    resnet++
    const upsampler = [1, 2].map((index) => `output_blocks.${block}.${index}.conv`).find(has)
    if (upsampler) {
      renames.set(upsampler, `up_blocks.${level}.upsamplers.0.conv`)
      level++
      resnet = 0
    }
  }
  return renames
}

const resnetRenames: ReadonlyMap<string, string> = new Map([
  ['in_layers.0', 'norm1'],
  ['in_layers.2', 'conv1'],
  ['emb_layers.1', 'time_emb_proj'],
  ['out_layers.0', 'norm2'],
  ['out_layers.3', 'conv2'],
  ['skip_connection', 'conv_shortcut'],
])

function renameUnetLayer(path: string, renames: ReadonlyMap<string, string>): string | undefined {
  const whole = renames.get(path)
  if (whole) return whole
  const inBlock = /^((?:input|output)_blocks\.\d+\.\d+|middle_block\.\d+)\.(.+)$/.exec(path)
  const block = inBlock && renames.get(inBlock[1]!)
  if (!block) return undefined
  const inner = inBlock[2]!
  return `${block}.${block.includes('.resnets.') ? (resnetRenames.get(inner) ?? inner) : inner}`
}

const openClipRenames: ReadonlyMap<string, string> = new Map([
  ['ln_1', 'layer_norm1'],
  ['ln_2', 'layer_norm2'],
  ['mlp.c_fc', 'mlp.fc1'],
  ['mlp.c_proj', 'mlp.fc2'],
  ['attn.q_proj', 'self_attn.q_proj'],
  ['attn.k_proj', 'self_attn.k_proj'],
  ['attn.v_proj', 'self_attn.v_proj'],
  ['attn.out_proj', 'self_attn.out_proj'],
])

function renameOpenClipLayer(path: string): string | undefined {
  if (path === 'ln_final') return 'final_layer_norm'
  const inBlock = /^transformer\.resblocks\.(\d+)\.(.+)$/.exec(path)
  const inner = inBlock ? openClipRenames.get(inBlock[2]!) : undefined
  return inner && `encoder.layers.${inBlock![1]}.${inner}`
}
