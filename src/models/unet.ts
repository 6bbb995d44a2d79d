import { type Dim, sameDim } from '../graph/dim.ts'
import { concat, gather, integers, upsampleNearest } from '../graph/ops.ts'
import { dimAt, type Value } from '../graph/value.ts'
import { silu } from '../nn/activation.ts'
import { timestepEmbedding } from '../nn/embed.ts'
import { conv2d, linear } from '../nn/linear.ts'
import { groupNorm } from '../nn/norm.ts'
import type { Scope } from '../nn/scope.ts'
import type { UnetConfig } from './configs.ts'
import { resBlock } from './resBlock.ts'
import { spatialTransformer } from './transformer.ts'

/** What the denoiser reads: `latent` [B, C, H, W], `timesteps` [B], `context` [B, S, D]. */
export interface UnetInputs {
  readonly latent: Value
  readonly timesteps: Value
  readonly context: Value
}

export interface UnetOptions {
  /** Share of the pixels' tokens merged before self-attention at full size; needs a latent whose size is numbers. */
  readonly tokenMergingRatio?: number
}

/**
 * The latent-diffusion UNet (Rombach et al. 2022): a way down that halves the picture at each level, a way up that
 * joins each map with its twin from the way down. Returns the predicted noise, or v, [B, outChannels, H, W].
 */
export function unet(
  scope: Scope,
  { latent, timesteps, context }: UnetInputs,
  config: UnetConfig,
  { tokenMergingRatio = 0 }: UnetOptions = {},
): Value {
  const { channels, mult, resBlocks, attention, normGroups: groups } = config
  const { emit } = scope
  const temb = timeEmbedding(scope.at('time_embed'), timesteps, channels)
  const transformer = (at: Scope, x: Value) =>
    spatialTransformer(at, x, context, config, sameDim(dimAt(x, 2), dimAt(latent, 2)) ? tokenMergingRatio : 0)

  const input = scope.at('input_blocks')
  let h = conv2d(input.at('0.0'), latent, { out: channels, kernel: 3 })
  const skips = [h]
  for (const [level, factor] of mult.entries()) {
    for (let i = 0; i < resBlocks; i++) {
      const block = input.at(skips.length)
      h = resBlock(block.at(0), h, temb, { out: channels * factor, groups })
      if (attention[level]) h = transformer(block.at(1), h)
      skips.push(h)
    }
    if (level < mult.length - 1) {
      h = conv2d(input.at(skips.length).at('0.op'), h, { out: channels * factor, kernel: 3, stride: 2 })
      skips.push(h)
    }
  }

  const middle = scope.at('middle_block')
  const deepest = channels * mult.at(-1)!
  h = resBlock(middle.at(0), h, temb, { out: deepest, groups })
  h = transformer(middle.at(1), h)
  h = resBlock(middle.at(2), h, temb, { out: deepest, groups })

  let blocks = 0
  for (const [level, factor] of [...mult.entries()].reverse()) {
    for (let i = 0; i <= resBlocks; i++) {
      const block = scope.at('output_blocks').at(blocks++)
      const skip = skips.pop()!
      h = resBlock(block.at(0), concat([resized(h, skip), skip], 1), temb, { out: channels * factor, groups })
      if (attention[level]) h = transformer(block.at(1), h)
      if (level > 0 && i === resBlocks) {
        const upsample = block.at(attention[level] ? 2 : 1).at('conv')
        h = conv2d(upsample, upsampleNearest(h, 2), { out: channels * factor, kernel: 3 })
      }
    }
  }

  h = silu(groupNorm(scope.at('out.0'), h, { groups, epsilon: 1e-5 }), emit)
  return conv2d(scope.at('out.2'), h, { out: config.outChannels, kernel: 3 })
}

/** Sinusoids of the timestep through two layers: [B] → [B, 4 · channels]. */
function timeEmbedding(scope: Scope, timesteps: Value, channels: number): Value {
  const h = linear(scope.at(0), timestepEmbedding(timesteps, channels), { out: 4 * channels })
  return linear(scope.at(2), silu(h, scope.emit), { out: 4 * channels })
}

/** Halving an odd size rounds up, so doubling it again may be one point too many: the nearest points remain. */
function resized(x: Value, like: Value): Value {
  return [2, 3].reduce((map, axis) => nearest(map, axis, dimAt(like, axis)), x)
}

function nearest(x: Value, axis: number, to: Dim): Value {
  const from = dimAt(x, axis)
  if (sameDim(from, to)) return x
  if (typeof from !== 'number' || typeof to !== 'number') throw new Error('internal: an open size that does not halve')
  const points = Array.from({ length: to }, (_, i) => Math.floor((i * from) / to))
  return gather(x, integers(x.graph, points), axis)
}
