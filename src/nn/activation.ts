import { mul, quickGelu, sigmoid } from '../graph/ops.ts'
import type { Value } from '../graph/value.ts'
import type { Emit } from './emit.ts'

/** x·σ(x) (Elfwing et al. 2017), also called swish. */
export function silu(x: Value, emit: Emit): Value {
  return gatedSigmoid(x, 1, emit)
}

/** x·σ(1.702·x), OpenAI CLIP's approximation of GELU. */
export function quickGeluClip(x: Value, emit: Emit): Value {
  return gatedSigmoid(x, 1.702, emit)
}

function gatedSigmoid(x: Value, alpha: number, emit: Emit): Value {
  if (emit.activation === 'fused') return quickGelu(x, alpha)
  return mul(x, sigmoid(alpha === 1 ? x : mul(x, alpha)))
}
