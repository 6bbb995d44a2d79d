import type { Tensor } from '../tensor/tensor.ts'

/**
 * For each query [N, D], how many other candidates [N, D] than the one of its own number are nearer to it by cosine.
 * 0 is a hit at the first place.
 */
export function ranksOf(queries: Tensor, candidates: Tensor): readonly number[] {
  const [count, width] = queries.shape as [number, number]
  const lengths = Array.from({ length: count }, (_, i) => Math.sqrt(dot(candidates, i, candidates, i, width)))
  return Array.from({ length: count }, (_, i) => {
    const scores = lengths.map((length, j) => dot(queries, i, candidates, j, width) / length)
    return scores.filter((score, j) => j !== i && score >= scores[i]!).length
  })
}

/** Share of ranks among the first `places`. */
export function recallAt(ranks: readonly number[], places: number): number {
  return ranks.filter((rank) => rank < places).length / ranks.length
}

function dot(a: Tensor, i: number, b: Tensor, j: number, width: number): number {
  let sum = 0
  for (let k = 0; k < width; k++) sum += a.data[i * width + k]! * b.data[j * width + k]!
  return sum
}
