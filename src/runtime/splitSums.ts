import { add, cast, gemm, slice } from '../graph/ops.ts'
import { type Graph, numberAt, type Value } from '../graph/value.ts'
import { rewrite } from './rewrite.ts'

/** Terms that the runtime's matrix product sums in one go. */
const sliceTerms = 128
/** Results of a row that may come to fewer per thread than a slice of the runtime's has, so that it takes other slices. */
const narrowWidth = 128

/**
 * Sums long rows of narrow layers in slices of our own. The runtime's matrix product (MLAS SGEMM) shares out the columns
 * of a result with more columns than rows among its threads, and sums 256 terms at a time where a thread has 64 columns
 * or fewer, 128 otherwise: the last bits of the result would then depend on the number of threads. No layer of a
 * published model is that narrow for two threads; those of small test models are.
 */
export function splitSums(graph: Graph): Graph {
  return rewrite(graph, ({ op }, [x, weight, bias]) => {
    if (op !== 'Gemm' || !x || !weight) return undefined
    const terms = numberAt(weight, 1)
    if (numberAt(weight, 0) > narrowWidth || terms <= sliceTerms) return undefined
    let sum: Value | undefined
    for (let from = 0; from < terms; from += sliceTerms) {
      const to = Math.min(from + sliceTerms, terms)
      const part = gemm(slice(x, 1, from, to), columns(weight, from, to), sum ? null : (bias ?? null))
      sum = sum ? add(sum, part) : part
    }
    return sum && [sum]
  })
}

/** Columns of a weight, cut before a cast rather than after. */
function columns(weight: Value, from: number, to: number): Value {
  const { source } = weight
  const stored = source.kind === 'node' && source.node.op === 'Cast' ? source.node.inputs[0] : null
  return stored ? cast(slice(stored, 1, from, to), weight.type) : slice(weight, 1, from, to)
}
