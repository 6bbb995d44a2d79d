import { add, reshape } from '../graph/ops.ts'
import type { Value } from '../graph/value.ts'
import { silu } from '../nn/activation.ts'
import { conv2d, linear } from '../nn/linear.ts'
import { groupNorm } from '../nn/norm.ts'
import type { Scope } from '../nn/scope.ts'

/**
 * The residual block of the latent-diffusion UNet.
 *
 * Shapes: `x` [B, C, H, W], `temb` [B, E] → [B, out, H, W]. Scope names are the
 * checkpoint's own, so each weight is found by the path that asks for it.
 */
export function resBlock(scope: Scope, x: Value, temb: Value, { out, groups }: { out: number; groups: number }): Value {
  const { emit } = scope
  const norm = { groups, epsilon: 1e-5 }
  let h = silu(groupNorm(scope.at('in_layers.0'), x, norm), emit)
  h = conv2d(scope.at('in_layers.2'), h, { out, kernel: 3 })

  const shift = linear(scope.at('emb_layers.1'), silu(temb, emit), { out })
  h = add(h, reshape(shift, [...shift.shape, 1, 1])) // one shift per channel, the same at every pixel

  h = silu(groupNorm(scope.at('out_layers.0'), h, norm), emit)
  h = conv2d(scope.at('out_layers.3'), h, { out, kernel: 3 })

  // Checkpoints carry no skip weights where the width does not change.
  const skip = x.shape[1] === out ? x : conv2d(scope.at('skip_connection'), x, { out, kernel: 1 })
  return add(skip, h)
}
