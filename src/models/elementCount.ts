import type { WeightEntry } from '../files/weights.ts'
import { sizeOf } from '../tensor/shape.ts'

/** Numbers in all tensors of a model. */
export function elementCount(weights: ReadonlyMap<string, WeightEntry>): number {
  let count = 0
  for (const { shape } of weights.values()) count += sizeOf(shape)
  return count
}
