import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { firstTorchInteger } from '../tensor/random.ts'
import { rows } from '../tensor/tensor.ts'
import { brownianNoise, sharedBrownianNoise } from './brownian.ts'

// Recorded by scripts/goldens/brownian.py.
const golden: {
  trees: {
    start: number
    end: number
    entropy: string
    shape: number[]
    increments: { from: number; to: number; values: number[] }[]
  }[]
} = JSON.parse(readFileSync(new URL('goldens/brownian.json', import.meta.url), 'utf8'))

test.each(golden.trees)('increments over $start…$end of entropy $entropy are torchsde’s', (tree) => {
  const noise = brownianNoise({
    source: 'cpu',
    shape: tree.shape,
    seeds: [BigInt(tree.entropy)],
    sigmaMin: tree.start,
    sigmaMax: tree.end,
  })
  for (const { from, to, values } of tree.increments) {
    const { data } = noise(from, to)
    const scale = Math.sqrt(to - from)
    for (const [i, value] of values.entries()) expect(data[i]! * scale).toBeCloseTo(value, 4)
  }
})

const settings = { source: 'cpu', shape: [4, 8, 8], sigmaMin: 0.03, sigmaMax: 14.6 } as const

test('the same levels give the same noise, however many steps lie between them', () => {
  const direct = brownianNoise({ ...settings, seeds: [5] })(10, 2)
  const stepwise = brownianNoise({ ...settings, seeds: [5] })
  const sums = new Float64Array(direct.data.length)
  for (const [from, to] of [
    [10, 8.5],
    [8.5, 3],
    [3, 2],
  ] as const) {
    stepwise(from, to).data.forEach((value, i) => {
      sums[i]! += value * Math.sqrt(from - to)
    })
  }
  direct.data.forEach((value, i) => void expect(value * Math.sqrt(8)).toBeCloseTo(sums[i]!, 4))
})

test('stepping up gives the opposite of stepping down', () => {
  const noise = brownianNoise({ ...settings, seeds: [5] })
  const down = noise(9, 4)
  const up = noise(4, 9)
  up.data.forEach((value, i) => void expect(value).toBeCloseTo(-down.data[i]!, 6))
})

test('batch mates do not change an image', () => {
  const alone = brownianNoise({ ...settings, seeds: [7] })(9, 4)
  const together = brownianNoise({ ...settings, seeds: [6, 7] })(9, 4)
  expect(together.shape).toEqual([2, 4, 8, 8])
  expect(rows(together, 1, 2)).toEqual(alone)
})

test('noise has unit variance at every scale', () => {
  const noise = brownianNoise({ ...settings, shape: [4, 64, 64], seeds: [5] })
  for (const [from, to] of [
    [14.6, 0.03],
    [3, 2.9],
    [0.5, 0.4999],
  ] as const) {
    const { data } = noise(from, to)
    expect(data.reduce((sum, value) => sum + value ** 2, 0) / data.length).toBeCloseTo(1, 1)
  }
})

test('a shared motion spans the batch and is seeded through the global generator by the last image', () => {
  const shared = sharedBrownianNoise({ ...settings, seeds: [6, 7] })(9, 4)
  const entropy = firstTorchInteger(7, 2n ** 63n - 1n)
  const [batch] = [brownianNoise({ ...settings, shape: [2, 4, 8, 8], seeds: [entropy] })(9, 4)]
  expect(shared.shape).toEqual([2, 4, 8, 8])
  expect(shared.data).toEqual(batch.data)
})
