import { expect, test } from 'vitest'
import { normalStream } from '../tensor/random.ts'
import { byHalves, meanOf, shareOf } from './interval.ts'

// Newcombe 1998, Table I: Wilson's score intervals.
test.each([
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
])('%d of %d lie between %f and %f', (hits, trials, low, high) => {
  const share = shareOf(hits, trials)
  expect(share.value).toBe(hits / trials)
  expect(share.low).toBeCloseTo(low, 4)
  expect(share.high).toBeCloseTo(high, 4)
})

test('a mean reaches 1.96 standard errors to both sides', () => {
  const { value, low, high } = meanOf([1, 2, 3, 4])
  const error = Math.sqrt(5 / 3 / 4)
  expect(value).toBe(2.5)
  expect(low).toBeCloseTo(2.5 - 1.96 * error, 4)
  expect(high).toBeCloseTo(2.5 + 1.96 * error, 4)
})

test('halves tell of a mean what its standard error does', () => {
  const numbers = [...normalStream('nv', 1)([400]).data]
  const mean = (samples: readonly number[]) => samples.reduce((sum, i) => sum + numbers[i]!, 0) / samples.length
  const halves = byHalves([400], ([samples]) => mean(samples!))
  const exact = meanOf(numbers)
  expect(halves.value).toBeCloseTo(exact.value, 10)
  const ratio = (halves.high - halves.low) / (exact.high - exact.low)
  expect(ratio).toBeGreaterThan(0.75)
  expect(ratio).toBeLessThan(1.25)
})
