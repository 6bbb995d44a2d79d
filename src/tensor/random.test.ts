import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { firstTorchInteger, normalStream } from './random.ts'
import { seedSequence } from './seedSequence.ts'

// Recorded by scripts/goldens/randomNumbers.py.
const golden: {
  normals: { seed: string; sizes: number[]; ends: [number[], number[]][] }[]
  integers: { seed: string; value: string }[]
  seedSequences: { entropy: string; path: number[]; word: number }[]
} = JSON.parse(readFileSync(new URL('goldens/random.json', import.meta.url), 'utf8'))

test.each(golden.normals)('the CPU stream of seed $seed is PyTorch’s, whatever the sizes', ({ seed, sizes, ends }) => {
  const draw = normalStream('cpu', BigInt(seed))
  for (const [i, size] of sizes.entries()) {
    const { data } = draw([size])
    const [first, last] = ends[i]!
    for (const [k, value] of first.entries()) expect(data[k]).toBeCloseTo(value, 5)
    for (const [k, value] of last.entries()) expect(data.at(k - last.length)).toBeCloseTo(value, 5)
  }
})

test.each(golden.integers)('the first 63-bit integer of seed $seed is PyTorch’s', ({ seed, value }) => {
  expect(firstTorchInteger(BigInt(seed), 2n ** 63n - 1n)).toBe(BigInt(value))
})

test.each(golden.seedSequences)('entropy $entropy at $path is hashed as by NumPy', ({ entropy, path, word }) => {
  expect(seedSequence(BigInt(entropy), path)).toBe(word)
})

test('the NV stream is that of a CUDA generator, tensor after tensor', () => {
  const draw = normalStream('nv', 0)
  const first = draw([3, 4])
  expect(first.shape).toEqual([3, 4])
  const expected = [
    -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709,
  ]
  for (const [i, value] of expected.entries()) expect(first.data[i]).toBeCloseTo(value, 6)
  const second = draw([2])
  expect(second.data[0]).toBeCloseTo(0.1808259, 6)
  expect(second.data[1]).toBeCloseTo(-0.5522628, 6)
})

test('the NV stream uses all 64 bits of a seed', () => {
  const { data } = normalStream('nv', 2 ** 32 + 5)([2])
  expect(data[0]).toBeCloseTo(-2.8427472, 6)
  expect(data[1]).toBeCloseTo(1.3404924, 6)
})

test.each(['cpu', 'nv'] as const)('the %s stream is normal', (source) => {
  const { data } = normalStream(source, 7)([100_000])
  const moment = (n: number) => data.reduce((sum, x) => sum + x ** n, 0) / data.length
  expect(Math.abs(moment(1))).toBeLessThan(0.01)
  expect(moment(2)).toBeCloseTo(1, 1)
  expect(Math.abs(moment(3))).toBeLessThan(0.05)
  expect(Math.abs(moment(4) - 3)).toBeLessThan(0.1)
})
