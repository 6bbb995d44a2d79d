import { StudioError } from '../errors.ts'
import { causalMask } from '../graph/causalMask.ts'
import { add, fusedMatmul, matmul, multiHeadAttention, reshape, softmax, transpose } from '../graph/ops.ts'
import { numberAt, type Value } from '../graph/value.ts'
import type { Scope } from './scope.ts'

/**
 * Scaled dot-product attention (Vaswani et al. 2017), softmax(q·kᵀ/√d)·v for each head. Heads lie side by side in
 * the features: query [B, T, C], key and value [B, S, C] → [B, T, C]. Causal: token t sees tokens 0 to t.
 */
export function attention(
  scope: Scope,
  { query, key, value }: { readonly query: Value; readonly key: Value; readonly value: Value },
  { heads, isCausal = false }: { readonly heads: number; readonly isCausal?: boolean },
): Value {
  const features = numberAt(query, 2)
  if (!Number.isInteger(heads) || features % heads !== 0) {
    const problem = `${features} features do not divide into ${heads} heads`
    throw new StudioError('wrong-architecture', `${scope.path}: ${problem}`, { field: scope.path })
  }
  if (scope.emit.attention === 'fused') return multiHeadAttention(query, key, value, { heads, isCausal })

  const perHead = features / heads
  const split = (x: Value) => transpose(reshape(x, [x.shape[0]!, x.shape[1]!, heads, perHead]), [0, 2, 1, 3])
  const scores = fusedMatmul(split(query), split(key), { transB: true, alpha: 1 / Math.sqrt(perHead) })
  const seen = softmax(isCausal ? add(scores, causalMask(query.graph, numberAt(query, 1))) : scores, -1)
  return reshape(transpose(matmul(seen, split(value)), [0, 2, 1, 3]), query.shape)
}
