import { expect, test } from 'vitest'
import { normalStream } from '../tensor/random.ts'
import { rows, type Tensor } from '../tensor/tensor.ts'
import { type ImageNoise, imageNoise } from './noise.ts'

const plain: ImageNoise = {
  source: 'cpu',
  shape: [4, 6, 8],
  seeds: [10, 11],
  subseeds: [20, 21],
  variation: 0,
  resizeFrom: undefined,
  seedDelta: 0,
}

function normal(seed: number, shape: readonly number[]): Tensor {
  return normalStream('cpu', seed)(shape)
}

test('each image has a generator of its own', () => {
  const draw = imageNoise(plain)
  const first = draw()
  const second = draw()
  const alone = normalStream('cpu', 11)
  expect(first.shape).toEqual([2, 4, 6, 8])
  expect(rows(first, 1, 2).data).toEqual(alone([4, 6, 8]).data)
  expect(rows(second, 1, 2).data).toEqual(alone([4, 6, 8]).data)
})

test('a seed delta changes every draw but the first', () => {
  const draw = imageNoise({ ...plain, seedDelta: 31337 })
  expect(rows(draw(), 0, 1).data).toEqual(normal(10, [4, 6, 8]).data)
  expect(rows(draw(), 0, 1).data).toEqual(normal(10 + 31337, [4, 6, 8]).data)
})

test('variation turns columns from the seed’s noise to the subseed’s without changing their length much', () => {
  const half = rows(imageNoise({ ...plain, variation: 0.5 })(), 0, 1)
  const [low, high] = [normal(10, [4, 6, 8]), normal(20, [4, 6, 8])]
  const column = (x: Tensor) => Array.from({ length: 6 }, (_, y) => x.data[2 * 48 + y * 8 + 3]!)
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  const [a, b, c] = [column(low), column(high), column(half)]
  const omega = Math.acos(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))
  const weight = Math.sin(omega / 2) / Math.sin(omega)
  c.forEach((value, y) => void expect(value).toBeCloseTo(weight * (a[y]! + b[y]!), 5))
})

test('variation 1 is the subseed’s noise', () => {
  const { data } = rows(imageNoise({ ...plain, variation: 1 })(), 1, 2)
  normal(21, [4, 6, 8]).data.forEach((value, i) => void expect(data[i]).toBeCloseTo(value, 5))
})

test('nearly parallel noise is mixed with the weights the wrong way round', () => {
  const { data } = rows(imageNoise({ ...plain, subseeds: [10, 11], variation: 0.25 })(), 0, 1)
  normal(10, [4, 6, 8]).data.forEach((value, i) => void expect(data[i]).toBeCloseTo(value, 5))
})

test('noise of a smaller size is laid over the middle of the seed’s noise', () => {
  const { data } = rows(imageNoise({ ...plain, resizeFrom: { height: 4, width: 3 } })(), 0, 1)
  const around = normal(10, [4, 6, 8]).data
  const middle = normal(10, [4, 4, 3]).data
  for (let c = 0; c < 4; c++) {
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 8; x++) {
        // (8 − 3) / 2 is rounded down to 2.
        const isInside = y >= 1 && y < 5 && x >= 2 && x < 5
        const expected = isInside ? middle[(c * 4 + y - 1) * 3 + x - 2] : around[(c * 6 + y) * 8 + x]
        expect(data[(c * 6 + y) * 8 + x]).toBe(expected)
      }
    }
  }
})

test('noise of a larger size is cut to the middle', () => {
  const { data } = rows(imageNoise({ ...plain, resizeFrom: { height: 10, width: 12 } })(), 0, 1)
  const larger = normal(10, [4, 10, 12]).data
  for (let c = 0; c < 4; c++) {
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 8; x++) expect(data[(c * 6 + y) * 8 + x]).toBe(larger[(c * 10 + y + 2) * 12 + x + 2])
    }
  }
})
