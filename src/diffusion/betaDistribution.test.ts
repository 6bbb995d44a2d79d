import { expect, test } from 'vitest'
import { betaQuantile, incompleteBeta } from './betaDistribution.ts'

test('Beta(½, ½) is the arcsine law', () => {
  for (const x of [1e-6, 0.1, 0.5, 0.73, 0.999]) {
    expect(incompleteBeta(x, 0.5, 0.5)).toBeCloseTo((2 / Math.PI) * Math.asin(Math.sqrt(x)), 12)
  }
})

test('with whole numbers it is a binomial tail', () => {
  // I_x(3, 2): at least 3 of 4 tries succeed.
  const x = 0.37
  expect(incompleteBeta(x, 3, 2)).toBeCloseTo(4 * x ** 3 * (1 - x) + x ** 4, 12)
})

test('the quantile undoes the distribution', () => {
  for (const [a, b] of [
    [0.6, 0.6],
    [2, 0.3],
    [40, 7],
  ] as const) {
    for (const p of [0.001, 0.25, 0.5, 0.99]) expect(incompleteBeta(betaQuantile(p, a, b), a, b)).toBeCloseTo(p, 10)
  }
})

test('the ends are the ends', () => {
  expect(betaQuantile(0, 0.6, 0.6)).toBe(0)
  expect(betaQuantile(1, 0.6, 0.6)).toBe(1)
})
