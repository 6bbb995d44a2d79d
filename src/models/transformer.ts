import { add, gelu, mul, reshape, slice, transpose } from '../graph/ops.ts'
import { elements, numberAt, type Value } from '../graph/value.ts'
import { attention } from '../nn/attention.ts'
import { conv2d, linear } from '../nn/linear.ts'
import { groupNorm, layerNorm } from '../nn/norm.ts'
import type { Scope } from '../nn/scope.ts'
import type { UnetConfig } from './configs.ts'
import { type TokenMerging, tokenMerging } from './tokenMerging.ts'

/**
 * Transformer over the pixels of a feature map, each of which reads the others and the prompt (Rombach et al. 2022).
 * `mergedTokens` is the share of tokens that `tokenMerging` takes out of self-attention.
 *
 * Shapes: `x` [B, C, H, W], `context` [B, S, D] → [B, C, H, W].
 */
export function spatialTransformer(
  scope: Scope,
  x: Value,
  context: Value,
  config: UnetConfig,
  mergedTokens: number,
): Value {
  const channels = numberAt(x, 1)
  const heads = 'count' in config.heads ? config.heads.count : channels / config.heads.channels
  const [batch, , height, width] = x.shape
  const toTokens = (map: Value) => transpose(reshape(map, [batch!, channels, elements([height!, width!])]), [0, 2, 1])
  const toMap = (tokens: Value) => reshape(transpose(tokens, [0, 2, 1]), x.shape)

  const normal = groupNorm(scope.at('norm'), x, { groups: config.normGroups, epsilon: 1e-6 })
  const project = { out: channels }
  let h = config.isLinearInTransformer
    ? linear(scope.at('proj_in'), toTokens(normal), project)
    : toTokens(conv2d(scope.at('proj_in'), normal, { ...project, kernel: 1 }))
  for (let depth = 0; depth < config.transformerDepth; depth++) {
    const merging = mergedTokens > 0 ? tokenMerging(h, mapSize(x), mergedTokens) : undefined
    h = transformerBlock(scope.at('transformer_blocks').at(depth), h, context, { heads, merging })
  }
  h = config.isLinearInTransformer
    ? toMap(linear(scope.at('proj_out'), h, project))
    : conv2d(scope.at('proj_out'), toMap(h), { ...project, kernel: 1 })
  return add(h, x)
}

function mapSize(x: Value): { height: number; width: number } {
  return { height: numberAt(x, 2), width: numberAt(x, 3) }
}

/** Self-attention, cross-attention and a gated feed-forward layer, each beside a skip: x [B, T, C] → [B, T, C]. */
function transformerBlock(
  scope: Scope,
  x: Value,
  context: Value,
  { heads, merging }: { heads: number; merging: TokenMerging | undefined },
): Value {
  let h = layerNorm(scope.at('norm1'), x)
  if (merging) h = merging.merge(h)
  const self = multiHead(scope.at('attn1'), h, h, heads)
  x = add(merging ? merging.unmerge(self) : self, x)
  h = layerNorm(scope.at('norm2'), x)
  x = add(multiHead(scope.at('attn2'), h, context, heads), x)
  return add(feedForward(scope.at('ff.net'), layerNorm(scope.at('norm3'), x)), x)
}

/** Attention whose queries come from `x` [B, T, C], keys and values from `context` [B, S, D]. */
function multiHead(scope: Scope, x: Value, context: Value, heads: number): Value {
  const out = numberAt(x, 2)
  const query = linear(scope.at('to_q'), x, { out, hasBias: false })
  const key = linear(scope.at('to_k'), context, { out, hasBias: false })
  const value = linear(scope.at('to_v'), context, { out, hasBias: false })
  return linear(scope.at('to_out.0'), attention(scope, { query, key, value }, { heads }), { out })
}

/** GEGLU (Shazeer 2020): one half of a projection, gated by the GELU of the other. */
function feedForward(scope: Scope, x: Value): Value {
  const width = numberAt(x, 2)
  const inner = 4 * width
  const both = linear(scope.at('0.proj'), x, { out: 2 * inner })
  const gated = mul(slice(both, 2, 0, inner), gelu(slice(both, 2, inner)))
  return linear(scope.at('2'), gated, { out: width })
}
