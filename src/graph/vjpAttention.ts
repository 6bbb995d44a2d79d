import { causalMask } from './causalMask.ts'
import type { OpParams } from './operators.ts'
import { add, matmul, mul, reduceSum, reshape, softmax, sub, transpose } from './ops.ts'
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

  const scores = mul(matmul(q!, turned(k!)), scale)
  const probabilities = softmax(isCausal ? add(scores, causalMask(query!.graph, numberAt(query!, 1))) : scores, -1)

  const dValue = matmul(turned(probabilities), dOut!)
  const dProbabilities = matmul(dOut!, turned(v!))
  const centred = sub(dProbabilities, reduceSum(mul(dProbabilities, probabilities), [3]))
  const dScores = mul(mul(probabilities, centred), scale)
  return [join(matmul(dScores, k!), query!), join(matmul(turned(dScores), q!), key!), join(dValue, value!)]
}

/** The last two of four axes exchanged. */
function turned(x: Value): Value {
  return transpose(x, [0, 1, 3, 2])
}
