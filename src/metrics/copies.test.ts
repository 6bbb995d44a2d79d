import { expect, test } from 'vitest'
import { filled } from '../image/picture.ts'
import { nearestDifferences } from './copies.ts'

test('the nearest other counts, by the root of the mean square difference', () => {
  const grey = (value: number) => filled(3, 64, 64, [value, value, value])
  const others = [grey(0), grey(100), grey(255)]
  expect(nearestDifferences([grey(100), grey(151), grey(204)], others)).toEqual([0, 51 / 255, 51 / 255])
})
