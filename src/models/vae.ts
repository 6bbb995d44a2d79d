import { add, conv, reshape, transpose, upsampleNearest } from '../graph/ops.ts'
import { elements, numberAt, type Value } from '../graph/value.ts'
import { silu } from '../nn/activation.ts'
import { attention } from '../nn/attention.ts'
import { conv2d, linear } from '../nn/linear.ts'
import { groupNorm } from '../nn/norm.ts'
import type { Scope } from '../nn/scope.ts'
import type { VaeConfig } from './configs.ts'

const epsilon = 1e-6

/** Latent [B, z, h, w], not scaled → picture [B, 3, 8h, 8w] in about −1…1. */
export function vaeDecode(scope: Scope, latent: Value, config: VaeConfig): Value {
  const { channels, mult, resBlocks, latentChannels, normGroups: groups } = config
  const decoder = scope.at('decoder')
  let h = conv2d(scope.at('post_quant_conv'), latent, { out: latentChannels, kernel: 1 })
  h = conv2d(decoder.at('conv_in'), h, { out: channels * mult.at(-1)!, kernel: 3 })
  h = middle(decoder.at('mid'), h, groups)

  for (const [level, factor] of [...mult.entries()].reverse()) {
    const up = decoder.at('up').at(level)
    const out = channels * factor
    for (let i = 0; i <= resBlocks; i++) h = residual(up.at('block').at(i), h, { out, groups })
    if (level > 0) h = conv2d(up.at('upsample.conv'), upsampleNearest(h, 2), { out, kernel: 3 })
  }

  h = silu(groupNorm(decoder.at('norm_out'), h, { groups, epsilon }), scope.emit)
  return conv2d(decoder.at('conv_out'), h, { out: 3, kernel: 3 })
}

/** Picture [B, 3, 8h, 8w] in −1…1 → moments [B, 2z, h, w]: means, then log-variances, not scaled. */
export function vaeEncode(scope: Scope, picture: Value, config: VaeConfig): Value {
  const { channels, mult, resBlocks, latentChannels, normGroups: groups } = config
  const encoder = scope.at('encoder')
  let h = conv2d(encoder.at('conv_in'), picture, { out: channels, kernel: 3 })

  for (const [level, factor] of mult.entries()) {
    const down = encoder.at('down').at(level)
    const out = channels * factor
    for (let i = 0; i < resBlocks; i++) h = residual(down.at('block').at(i), h, { out, groups })
    if (level < mult.length - 1) h = halved(down.at('downsample.conv'), h)
  }

  h = middle(encoder.at('mid'), h, groups)
  h = silu(groupNorm(encoder.at('norm_out'), h, { groups, epsilon }), scope.emit)
  h = conv2d(encoder.at('conv_out'), h, { out: 2 * latentChannels, kernel: 3 })
  return conv2d(scope.at('quant_conv'), h, { out: 2 * latentChannels, kernel: 1 })
}

/** Two residual blocks around attention over all pixels. */
function middle(scope: Scope, x: Value, groups: number): Value {
  const out = numberAt(x, 1)
  const h = pixelAttention(scope.at('attn_1'), residual(scope.at('block_1'), x, { out, groups }), groups)
  return residual(scope.at('block_2'), h, { out, groups })
}

/** The residual block without a timestep: x [B, C, H, W] → [B, out, H, W]. */
function residual(scope: Scope, x: Value, { out, groups }: { out: number; groups: number }): Value {
  const { emit } = scope
  let h = silu(groupNorm(scope.at('norm1'), x, { groups, epsilon }), emit)
  h = conv2d(scope.at('conv1'), h, { out, kernel: 3 })
  h = silu(groupNorm(scope.at('norm2'), h, { groups, epsilon }), emit)
  h = conv2d(scope.at('conv2'), h, { out, kernel: 3 })
  const skip = x.shape[1] === out ? x : conv2d(scope.at('nin_shortcut'), x, { out, kernel: 1 })
  return add(skip, h)
}

/** Self-attention of one head. Its 1×1 convolutions are linear layers over the pixels. */
function pixelAttention(scope: Scope, x: Value, groups: number): Value {
  const [batch, channels, height, width] = x.shape
  const out = numberAt(x, 1)
  const normal = groupNorm(scope.at('norm'), x, { groups, epsilon })
  const tokens = transpose(reshape(normal, [batch!, channels!, elements([height!, width!])]), [0, 2, 1])
  const query = linear(scope.at('q'), tokens, { out })
  const key = linear(scope.at('k'), tokens, { out })
  const value = linear(scope.at('v'), tokens, { out })
  const seen = linear(scope.at('proj_out'), attention(scope, { query, key, value }, { heads: 1 }), { out })
  return add(x, reshape(transpose(seen, [0, 2, 1]), x.shape))
}

/** Half the size, by a convolution that looks one point beyond the bottom and right edges only, and sees zeros. */
function halved(scope: Scope, x: Value): Value {
  const channels = numberAt(x, 1)
  const weight = scope.weight('weight', [channels, channels, 3, 3])
  return conv(x, weight, scope.weight('bias', [channels]), { stride: 2, pads: [0, 0, 1, 1], groups: 1 })
}
