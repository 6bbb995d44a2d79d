import { openClipLayers, prefixes, unetResnet } from '../models/keys.ts'
import { flat } from './keys.ts'

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
  // Transformers has dropped the level `text_model`; networks of both times are about.
  const nameTextLayer = (inner: string, path: string) => {
    names.set(`text_text_model_${flat(inner)}`, path).set(`text_${flat(inner)}`, path)
  }
  const toDiffusers = unetRenames(paths)
  for (const path of paths) {
    if (path.startsWith(prefixes.unet)) {
      const inner = path.slice(prefixes.unet.length)
      names.set(`unet_${flat(inner)}`, path)
      const renamed = renameUnetLayer(inner, toDiffusers)
      if (renamed) names.set(`unet_${flat(renamed)}`, path)
    } else if (path.startsWith(prefixes.clip)) {
      nameTextLayer(path.slice(prefixes.clip.length), path)
    } else if (path.startsWith(prefixes.openclip)) {
      const renamed = renameOpenClipLayer(path.slice(prefixes.openclip.length))
      if (renamed) nameTextLayer(renamed, path)
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
  const has = (path: string) => paths.has(prefixes.unet + path)

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

function renameUnetLayer(path: string, renames: ReadonlyMap<string, string>): string | undefined {
  const whole = renames.get(path)
  if (whole) return whole
  const inBlock = /^((?:input|output)_blocks\.\d+\.\d+|middle_block\.\d+)\.(.+)$/.exec(path)
  const block = inBlock && renames.get(inBlock[1]!)
  if (!block) return undefined
  const inner = inBlock[2]!
  return `${block}.${block.includes('.resnets.') ? (diffusersName(unetResnet, inner) ?? inner) : inner}`
}

function renameOpenClipLayer(path: string): string | undefined {
  if (path === 'ln_final') return 'final_layer_norm'
  const inBlock = /^transformer\.resblocks\.(\d+)\.(.+)$/.exec(path)
  const inner = inBlock ? diffusersName(openClipLayers, inBlock[2]!) : undefined
  return inner && `encoder.layers.${inBlock![1]}.${inner}`
}

function diffusersName(layers: readonly (readonly [string, string])[], name: string): string | undefined {
  return layers.find(([, inCheckpoint]) => inCheckpoint === name)?.[0]
}
