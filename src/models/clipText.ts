import { add, cast, gelu, where } from '../graph/ops.ts'
import { numberAt, type Value } from '../graph/value.ts'
import { quickGeluClip } from '../nn/activation.ts'
import { attention } from '../nn/attention.ts'
import { embedding } from '../nn/embed.ts'
import { linear } from '../nn/linear.ts'
import { layerNorm } from '../nn/norm.ts'
import type { Scope } from '../nn/scope.ts'
import type { TextConfig } from './configs.ts'

/**
 * What the encoder reads: `tokens` [B, 77] int64; where `isInjected` [B, 77, 1] is 1, the vectors `injected`
 * [B, 77, W] of a textual inversion stand in the place of the token's own.
 */
export interface ClipTextInputs {
  readonly tokens: Value
  readonly injected: Value
  readonly isInjected: Value
}

/**
 * CLIP's text transformer (Radford et al. 2021) without its projection: tokens → [B, 77, W].
 *
 * `skip` last layers are left out; the final normalisation always applies.
 */
export function clipText(scope: Scope, inputs: ClipTextInputs, config: TextConfig, { skip }: { skip: number }): Value {
  const names = layouts[config.kind]
  const { tokens, injected, isInjected } = inputs
  const words = embedding(scope, names.tokenTable, tokens, [config.vocabulary, config.width])
  const positions = scope.weight(names.positionTable, [config.tokens, config.width])
  let x = add(where(cast(isInjected, 'bool'), injected, words), positions)

  const layers = Math.max(0, config.layers - skip)
  for (let layer = 0; layer < layers; layer++) x = encoderLayer(scope.at(names.layers).at(layer), x, config)
  return layerNorm(scope.at(names.finalNorm), x)
}

/** Causal self-attention and a two-layer perceptron, each after a normalisation and beside a skip. */
function encoderLayer(scope: Scope, x: Value, config: TextConfig): Value {
  const names = layouts[config.kind]
  const out = numberAt(x, 2)
  const normal = layerNorm(scope.at(names.norm1), x)
  const self = scope.at(names.attention)
  const query = linear(self.at('q_proj'), normal, { out })
  const key = linear(self.at('k_proj'), normal, { out })
  const value = linear(self.at('v_proj'), normal, { out })
  const seen = attention(self, { query, key, value }, { heads: config.heads, isCausal: true })
  x = add(x, linear(self.at('out_proj'), seen, { out }))

  const wide = linear(scope.at(names.mlp1), layerNorm(scope.at(names.norm2), x), { out: config.mlpWidth })
  const active = config.kind === 'clip' ? quickGeluClip(wide, scope.emit) : gelu(wide)
  return add(x, linear(scope.at(names.mlp2), active, { out }))
}

/** Two publishers' names for the same parts. OpenCLIP's joint `in_proj` has been split into three by the loader. */
const layouts = {
  clip: {
    tokenTable: 'embeddings.token_embedding.weight',
    positionTable: 'embeddings.position_embedding.weight',
    layers: 'encoder.layers',
    norm1: 'layer_norm1',
    norm2: 'layer_norm2',
    attention: 'self_attn',
    mlp1: 'mlp.fc1',
    mlp2: 'mlp.fc2',
    finalNorm: 'final_layer_norm',
  },
  openclip: {
    tokenTable: 'token_embedding.weight',
    positionTable: 'positional_embedding',
    layers: 'transformer.resblocks',
    norm1: 'ln_1',
    norm2: 'ln_2',
    attention: 'attn',
    mlp1: 'mlp.c_fc',
    mlp2: 'mlp.c_proj',
    finalNorm: 'ln_final',
  },
} as const
