import { expect, test } from 'vitest'
import { pythonFloat } from './pythonFloat.ts'

test.each([
  [7, '7.0'],
  [0.5, '0.5'],
  [0, '0.0'],
  [-0, '-0.0'],
  [-3, '-3.0'],
  [0.0001, '0.0001'],
  [0.00001, '1e-05'],
  [1.5e-7, '1.5e-07'],
  [-2.5e-300, '-2.5e-300'],
  [0.1 + 0.2, '0.30000000000000004'],
  [1e15, '1000000000000000.0'],
  [123456789012345680, '1.2345678901234568e+17'],
  [1e16, '1e+16'],
  [1e22, '1e+22'],
  [1e100, '1e+100'],
  [Number.POSITIVE_INFINITY, 'inf'],
  [Number.NEGATIVE_INFINITY, '-inf'],
  [Number.NaN, 'nan'],
])('%d prints as Python prints it: %s', (value, expected) => {
  expect(pythonFloat(value)).toBe(expected)
})
