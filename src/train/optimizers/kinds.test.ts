import { expect, test } from 'vitest'
import { type optimizerKinds, optimizerOf } from './kinds.ts'

/** 2 after steps with the gradients 0.5 and −0.1, at the rate 0.01 with a decay of 0.1. */
function walked(kind: (typeof optimizerKinds)[number], beta2?: number): readonly number[] {
  const parameter = { shape: [1], data: Float32Array.of(2) }
  const optimizer = optimizerOf({ kind, weightDecay: 0.1, beta2 }, [parameter])
  return [0.5, -0.1].map((gradient) => {
    optimizer.step([Float32Array.of(gradient)], [0.01])
    return parameter.data[0]!
  })
}

const kept = 1 - 0.01 * 0.1

test.each([
  // m̂ and v̂ of two gradients: (0.9·0.05 − 0.1·0.1)/0.19 and (0.99·0.0025 + 0.01·0.01)/0.0199
  ['adamw', 0.99, [2 * kept - 0.01, (2 * kept - 0.01) * kept - (0.01 * (0.035 / 0.19)) / Math.sqrt(0.002575 / 0.0199)]],
  // The second sign is that of 0.9·0.005 − 0.1·0.1.
  ['lion', 0.99, [2 * kept - 0.01, (2 * kept - 0.01) * kept + 0.01]],
  // 0.5 + 0.2 with 0.9 of itself; then −0.1 + 0.19867 with 0.9 of 0.9·0.7 and itself.
  ['sgd-nesterov', undefined, [1.9867, 1.9867 - 0.01 * (0.09867 + 0.9 * (0.63 + 0.09867))]],
  // The rate is 0.01 of the parameter; the second moment begins anew with the second gradient by 1 − 2^−0.8.
  [
    'adafactor',
    undefined,
    [
      2 - 0.02 * 1.2,
      1.976 * (1 - 0.1 * 0.01976) + (0.01976 * 0.1) / Math.sqrt(0.25 * (1 - 2 ** -0.8) + 0.01 * 2 ** -0.8),
    ],
  ],
] as const)('%s steps by its rule', (kind, beta2, expected) => {
  for (const [i, value] of walked(kind, beta2).entries()) expect(value).toBeCloseTo(expected[i]!, 5)
})

test('prodigy begins with steps of a millionth of the rate, whichever way the gradient', () => {
  const [first] = walked('prodigy')
  expect(Math.abs(first! - 2)).toBeLessThan(1e-7)
  expect(optimizerOf({ kind: 'prodigy', weightDecay: 0 }, []).state.numbers.d).toBe(1e-6)
})
