import { causalMask } from './causalMask.ts'
import type { OpParams } from './operators.ts'
import { add, fusedMatmul, mul, reduceSum, reshape, softmax, sub, transpose } from './ops.ts'
import { numberAt, type Value } from './value.ts'

/**
 * Gradients of softmax(q·kᵀ/√d)·v by query, key and value, with the probabilities computed again from q and k:
 * the forward operator never stores them.
 */
export function attentionVjp(
  dy: Value,
  [query, key, value]: readonly (Value | null)[],
  { heads, isCausal }: OpParams['MultiHeadAttention'],
): readonly Value[] {
  const split = (x: Value) =>
    transpose(reshape(x, [x.shape[0]!, x.shape[1]!, heads, numberAt(x, 2) / heads]), [0, 2, 1, 3])
  const join = (x: Value, like: Value) => reshape(transpose(x, [0, 2, 1, 3]), like.shape)
  const [q, k, v, dOut] = [query!, key!, value!, dy].map(split)
  const scale = 1 / Math.sqrt(numberAt(query!, 2) / heads)

  const scores = fusedMatmul(q!, k!, { transB: true, alpha: scale })
  const probabilities = softmax(isCausal ? add(scores, causalMask(query!.graph, numberAt(query!, 1))) : scores, -1)

  const dValue = fusedMatmul(probabilities, dOut!, { transA: true })
  const dProbabilities = fusedMatmul(dOut!, v!, { transB: true })
  const centred = sub(dProbabilities, reduceSum(mul(dProbabilities, probabilities), [3]))
  const dScores = mul(probabilities, centred)
  const dQuery = fusedMatmul(dScores, k!, { alpha: scale })
  const dKey = fusedMatmul(dScores, q!, { transA: true, alpha: scale })
  return [join(dQuery, query!), join(dKey, key!), join(dValue, value!)]
}
