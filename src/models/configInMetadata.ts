import { StudioError } from '../errors.ts'
import { toPlainValue } from '../files/plainValue.ts'
import { type PlainMap, titleOf, type WeightFile } from '../files/weights.ts'
import type { ModelConfig } from './configs.ts'
import { plainAt } from './plain.ts'

/** Where a checkpoint carries what otherwise a yaml beside it says, as JSON of the same form. */
export const configKey = 'ldm_config'

/** Pixels across one point of a latent, by which yamls count the size of a picture. */
const latentScale = 8
const largestSize = 4096

/**
 * What a checkpoint of this configuration carries in its metadata. Beside the names that yamls have it says
 * `norm_num_groups` and the text encoder's `heads`, which in the published models are fixed, and `zero_terminal_snr`
 * where it was trained so.
 */
export function configText(
  { prediction, scaleFactor, betas, text, unet, vae }: ModelConfig,
  nativeSize: number,
): string {
  const heads = 'channels' in unet.heads ? { num_head_channels: unet.heads.channels } : { num_heads: unet.heads.count }
  const params = {
    parameterization: prediction === 'v' ? 'v' : 'eps',
    scale_factor: scaleFactor,
    linear_start: betas.start,
    linear_end: betas.end,
    timesteps: betas.timesteps,
    ...(betas.isZeroTerminal && { zero_terminal_snr: true }),
    image_size: nativeSize / latentScale,
    unet_config: {
      params: {
        in_channels: unet.inChannels,
        out_channels: unet.outChannels,
        model_channels: unet.channels,
        channel_mult: unet.mult,
        num_res_blocks: unet.resBlocks,
        ...heads,
        transformer_depth: unet.transformerDepth,
        context_dim: unet.contextWidth,
        norm_num_groups: unet.normGroups,
      },
    },
    first_stage_config: {
      params: {
        embed_dim: vae.latentChannels,
        ddconfig: {
          ch: vae.channels,
          ch_mult: vae.mult,
          num_res_blocks: vae.resBlocks,
          z_channels: vae.latentChannels,
          norm_num_groups: vae.normGroups,
        },
      },
    },
    cond_stage_config: {
      target: 'ldm.modules.encoders.modules.FrozenCLIPEmbedder',
      params: { heads: text.heads, width: text.width, layers: text.layers },
    },
  }
  return JSON.stringify({ model: { params } })
}

/** The configuration in a file's metadata; undefined where there is none. */
export function configIn(file: WeightFile): PlainMap | undefined {
  const text = file.metadata.get(configKey)
  if (text === undefined) return undefined
  const fail = (problem: string, cause?: unknown): never => {
    throw new StudioError('bad-file', `${titleOf(file)}: ${configKey} in its metadata: ${problem}`, { cause })
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    return fail('not JSON', cause)
  }
  const plain = toPlainValue(parsed, fail)
  return plain instanceof Map ? plain : fail('expected an object')
}

/** Side in pixels of the pictures that a checkpoint says it was trained on; undefined where it says nothing. */
export function nativeSizeIn(file: WeightFile): number | undefined {
  const points = plainAt(configIn(file), 'model', 'params', 'image_size')
  if (points === undefined) return undefined
  const size = Number(points) * latentScale
  if (Number.isInteger(size) && size > 0 && size % latentScale === 0 && size <= largestSize) return size
  const problem = `image_size is ${String(points)}, expected a whole number up to ${largestSize / latentScale}`
  throw new StudioError('bad-file', `${titleOf(file)}: ${configKey} in its metadata: ${problem}`)
}
