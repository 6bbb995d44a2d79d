import type { UniformStream } from './noising.ts'

/** What is left out of a network at random while it learns. */
export interface Dropout {
  /** Share of the numbers between down and up. */
  readonly element: number
  /** Share of the ranks, for each picture. */
  readonly rank: number
  /** Share of the modules. */
  readonly module: number
}

export function hasDropout({ element, rank, module }: Dropout): boolean {
  return element + rank + module > 0
}

/**
 * Factors on what passes between down and up, of the shape it has: [B, …tokens, rank] beside a linear layer, [B, rank,
 * H, W] beside a convolution. What is kept grows by what is left out.
 */
export function dropoutMask(
  shape: readonly number[],
  rankAxis: number,
  { element, rank, module }: Dropout,
  uniform: UniformStream,
): Float32Array {
  const size = shape.reduce((product, dim) => product * dim, 1)
  const mask = new Float32Array(size)
  if (module > 0 && uniform() < module) return mask
  const ranks = shape[rankAxis]!
  const inner = shape.slice(rankAxis + 1).reduce((product, dim) => product * dim, 1)
  const keptRanks = Float32Array.from({ length: shape[0]! * ranks }, () =>
    rank > 0 && uniform() < rank ? 0 : 1 / (1 - rank),
  )
  const perPicture = size / shape[0]!
  for (let i = 0; i < size; i++) {
    const picture = Math.floor(i / perPicture)
    const kept = keptRanks[picture * ranks + (Math.floor(i / inner) % ranks)]!
    mask[i] = element > 0 && uniform() < element ? 0 : kept / (1 - element)
  }
  return mask
}
