import { expect, test } from 'vitest'
import { curveTexts } from '../tensorboard/texts.ts'
import { trainingTexts } from '../training/texts.ts'
import { linearScale, logScale, shortNumber } from './scale.ts'
import { smoothed } from './smooth.ts'

const curve = (values: readonly number[]) => values.map((value, step) => ({ step, wallTime: step, value }))
const valuesOf = (points: ReturnType<typeof smoothed>) => points.map(({ value }) => value)

test('a smooth curve begins where the raw one does, and a level one stays level', () => {
  expect(valuesOf(smoothed(curve([3, 3, 3]), 0.9))).toEqual([3, 3, 3].map((value) => expect.closeTo(value, 12)))
  // Σ wⁿ⁻ⁱ·xᵢ / Σ wⁿ⁻ⁱ
  const [, , last] = valuesOf(smoothed(curve([1, 2, 4]), 0.5))
  expect(last).toBeCloseTo((0.25 * 1 + 0.5 * 2 + 4) / 1.75, 12)
  expect(valuesOf(smoothed(curve([1, 5, 2]), 0))).toEqual([1, 5, 2])
})

test('what is no number stays and changes nothing', () => {
  expect(valuesOf(smoothed(curve([1, Number.NaN, 1]), 0.6))).toEqual([1, Number.NaN, expect.closeTo(1, 12)])
})

test('ticks are round and within the values', () => {
  expect(linearScale([0, 1]).ticks.map(shortNumber)).toEqual(['0', '0.2', '0.4', '0.6', '0.8', '1'])
  expect(linearScale([0.07, 0.12]).ticks.map(shortNumber)).toEqual(['0.07', '0.08', '0.09', '0.1', '0.11', '0.12'])
  expect(linearScale([1e-5, 1e-4]).ticks.map(shortNumber)).toEqual(['2e-5', '4e-5', '6e-5', '8e-5', '1e-4'])
  const { at } = linearScale([5])
  expect(at(5)).toBeCloseTo(0.5, 9)
})

test('a logarithmic scale spaces powers evenly and has no place for what is not positive', () => {
  const { at, ticks } = logScale([1, 1000, -1])
  expect([at(1), at(1000)]).toEqual([0, 1])
  expect(at(10)).toBeCloseTo(1 / 3, 12)
  expect(at(0)).toBeNaN()
  expect(ticks).toEqual([1, 10, 100, 1000])
})

test('every text of the pages is there in Chinese', () => {
  const said = (texts: object): string[] =>
    Object.values(texts).flatMap((text) =>
      typeof text === 'object' ? said(text) : [typeof text === 'function' ? text.toString() : String(text)],
    )
  for (const tables of [curveTexts, trainingTexts]) {
    for (const text of said(tables['zh-CN'])) expect(text).toMatch(/\p{Script=Han}/u)
    for (const text of said(tables.en)) expect(text).not.toMatch(/\p{Script=Han}/u)
  }
})
