import { expect, test } from 'vitest'
import { pcg64 } from './pcg64.ts'

// numpy.random.default_rng(seed).random()
test.each([
  [0, [0.6369616873214543, 0.2697867137638703, 0.04097352393619469, 0.016527635528529094, 0.8132702392002724]],
  [12345678901, [0.8361377783790088, 0.3167040550006629, 0.06486628578971165]],
] as const)('the seed %d gives NumPy’s numbers', (seed, numbers) => {
  const draw = pcg64(seed)
  expect(numbers.map(() => draw())).toEqual(numbers)
})
