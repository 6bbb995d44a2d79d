import { expect, test } from 'vitest'
import { tensor } from '../tensor/tensor.ts'
import { ranksOf, recallAt } from './retrieval.ts'

test('a rank is how many others are nearer by cosine', () => {
  const queries = tensor([1, 0, 0, 1, 1, 1], [3, 2])
  const candidates = tensor([10, 0, 5, 5, 0, 0.1], [3, 2])
  // (1, 0) finds its own first; (0, 1) the third before its own; (1, 1) the second, and the first as near as its own.
  expect(ranksOf(queries, candidates)).toEqual([0, 1, 2])
  expect([recallAt([0, 1, 2], 1), recallAt([0, 1, 2], 2)]).toEqual([1 / 3, 2 / 3])
})
