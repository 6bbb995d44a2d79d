import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { tensor } from '../tensor/tensor.ts'
import { type Interpolation, interpolate } from './interpolate.ts'

interface Case {
  mode: Interpolation
  shape: number[]
  size: [number, number]
  source: number[]
  expected: number[]
}
const goldens: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('./goldens/interpolate.json', import.meta.url), 'utf8'),
)

test.each(['nearest', 'nearest-exact', 'bilinear', 'bilinear-antialias', 'bicubic', 'bicubic-antialias'] as const)(
  '%s agrees with torch to float32 rounding',
  (mode) => {
    const cases = goldens.cases.filter((each) => each.mode === mode)
    expect(cases.length).toBe(5)
    for (const { shape, size, source, expected } of cases) {
      const result = interpolate(tensor(source, shape), size, mode)
      expect(result.shape).toEqual([shape[0], shape[1], ...size])
      for (const [i, value] of expected.entries()) {
        expect(Math.abs(result.data[i]! - value), `[${shape}] to [${size}] at ${i}`).toBeLessThan(5e-6)
      }
    }
  },
)
