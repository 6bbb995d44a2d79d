import { expect, test } from 'vitest'
import { tensor } from '../tensor/tensor.ts'
import { applyEmphasis } from './emphasisMath.ts'

// Two texts of two tokens of two numbers; means 3 before and (1+2+6+8 + 5+6+3.5+4)/8 = 4.4375 after.
const z = tensor(
  [1, 2, 3, 4, 5, 6, 7, 8].map((value) => value - 1.5),
  [2, 2, 2],
)
const weights = [
  [1, 2],
  [1, 0.5],
]

test('No norm multiplies each token’s vector by its weight', () => {
  expect([...applyEmphasis(z, weights, 'No norm').data]).toEqual([-0.5, 0.5, 3, 5, 3.5, 4.5, 2.75, 3.25])
})

test('Original then brings the mean of the whole batch back', () => {
  const weighed = applyEmphasis(z, weights, 'Original')
  const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0)
  expect(sum(weighed.data)).toBeCloseTo(sum(z.data), 5)
  const gain = 24 / 22
  for (const [i, value] of [-0.5, 0.5, 3, 5, 3.5, 4.5, 2.75, 3.25].entries()) {
    expect(weighed.data[i]).toBeCloseTo(value * gain, 5)
  }
})

test.each(['Ignore', 'None'] as const)('%s leaves everything as it is', (mode) => {
  expect(applyEmphasis(z, weights, mode)).toBe(z)
})

test('weights of 1 leave every bit as it is', () => {
  const ones = [
    [1, 1],
    [1, 1],
  ]
  expect(applyEmphasis(z, ones, 'Original')).toBe(z)
})
