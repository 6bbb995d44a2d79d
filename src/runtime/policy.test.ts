import { expect, test } from 'vitest'
import { isWorthPacking } from './policy.ts'

const [mega, giga] = [2 ** 20, 2 ** 30]

test.each([
  ['before its first run', { all: giga, missing: giga }, 0, false],
  ['before its second', { all: giga, missing: giga }, 1, true],
  ['most of which other sessions have packed', { all: giga, missing: giga / 16 }, 0, true],
  ['that is small', { all: 64 * mega, missing: 64 * mega }, 0, true],
  ['for which there is no memory', { all: 2 ** 50, missing: 2 ** 50 }, 1, false],
])('a model %s: packed at %o after %i runs: %s', (_, size, runs, isPacked) => {
  expect(isWorthPacking(size, runs)).toBe(isPacked)
})
