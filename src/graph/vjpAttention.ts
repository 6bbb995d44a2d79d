import { causalMask } from './causalMask.ts'
import type { OpParams } from './operators.ts'
import { add, concat, fusedMatmul, mul, reduceSum, reshape, slice, softmax, sub, transpose } from './ops.ts'
import { elements, numberAt, type Value } from './value.ts'

/** Query, key, value and the gradient of the result by heads: [B, heads, T or S, C/heads]. */
type Heads = readonly [query: Value, key: Value, value: Value, dOut: Value]

/** Scores of so many bytes are held at once; of more than that a head or some at a time. */
const largestScores = 2 ** 24

/**
 * Gradients of softmax(q·kᵀ/√d)·v by query, key and value, with the probabilities computed again from q and k:
 * the forward operator never stores them.
 */
export function attentionVjp(
  dy: Value,
  [query, key, value]: readonly (Value | null)[],
  { heads, isCausal }: OpParams['MultiHeadAttention'],
  limit: number = largestScores,
): readonly Value[] {
  const split = (x: Value) =>
    transpose(reshape(x, [x.shape[0]!, x.shape[1]!, heads, numberAt(x, 2) / heads]), [0, 2, 1, 3])
  const join = (x: Value, like: Value) => reshape(transpose(x, [0, 2, 1, 3]), like.shape)
  const all: Heads = [split(query!), split(key!), split(value!), split(dy)]
  const like = [query!, key!, value!]

  const atOnce = headsAtOnce(query!, key!, heads, limit)
  if (atOnce >= heads) return headGradients(all, isCausal).map((gradient, i) => join(gradient, like[i]!))
  // Joined head by head, so that the runtime ends one before it begins the next.
  const parts: Value[] = []
  for (let head = 0; head < heads; head += atOnce) {
    const [q, k, v, dOut] = all.map((x) => slice(x, 1, head, Math.min(heads, head + atOnce))) as [...Heads]
    parts.push(concat(headGradients([q, k, v, dOut], isCausal), 2))
  }
  const joined = concat(parts, 1)
  let start = 0
  return like.map((x) => {
    const end = start + numberAt(x, 1)
    const gradient = slice(joined, 2, start, end)
    start = end
    return join(gradient, x)
  })
}

function headsAtOnce(query: Value, key: Value, heads: number, limit: number): number {
  const perHead = elements([4, query.shape[0]!, query.shape[1]!, key.shape[1]!])
  return typeof perHead === 'number' ? Math.max(1, Math.floor(limit / perHead)) : heads
}

function headGradients([q, k, v, dOut]: Heads, isCausal: boolean): readonly [Value, Value, Value] {
  const scale = 1 / Math.sqrt(numberAt(q, 3))
  const scores = fusedMatmul(q, k, { transB: true, alpha: scale })
  const probabilities = softmax(isCausal ? add(scores, causalMask(q.graph, numberAt(q, 2))) : scores, -1)

  const dValue = fusedMatmul(probabilities, dOut, { transA: true })
  const dProbabilities = fusedMatmul(dOut, v, { transB: true })
  const centred = sub(dProbabilities, reduceSum(mul(dProbabilities, probabilities), [3]))
  const dScores = mul(probabilities, centred)
  return [fusedMatmul(dScores, k, { alpha: scale }), fusedMatmul(dScores, q, { transA: true, alpha: scale }), dValue]
}
