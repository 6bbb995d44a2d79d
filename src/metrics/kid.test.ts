import { expect, test } from 'vitest'
import { normalStream } from '../tensor/random.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { kernelDistance } from './kid.ts'

test('sets of one vector each, at right angles, are 8 + 8 − 2·1 apart, however long they are', () => {
  const { value } = kernelDistance(tensor([1, 0, 2, 0], [2, 2]), tensor([0, 3, 0, 1, 0, 5], [3, 2]))
  expect(value).toBeCloseTo(14, 10)
})

test('samples of one distribution are no distance apart, and those of another are', () => {
  const draw = normalStream('nv', 3)
  const shifted = (by: number): Tensor => {
    const x = draw([60, 8])
    return { shape: x.shape, data: x.data.map((value, i) => value + (i % 8 === 0 ? by : 0)) }
  }
  const same = kernelDistance(shifted(0), shifted(0))
  expect(same.low).toBeLessThan(0)
  expect(same.high).toBeGreaterThan(0)
  expect(kernelDistance(shifted(0), shifted(2)).low).toBeGreaterThan(0)
})
