import { expect, test } from 'vitest'
import { crop, filled, picture } from './picture.ts'
import { resample } from './resample.ts'
import { fitPicture, scaledSize } from './resizeMode.ts'

const source = picture(3, 16, 10)
for (let i = 0; i < source.data.length; i++) source.data[i] = (i * 37) % 256

test('stretching is a plain resize', () => {
  expect(fitPicture(source, 'stretch', 8, 8)).toEqual(resample(source, 8, 8, 'lanczos'))
})

test('covering scales to the larger side and cuts the middle out', () => {
  expect(scaledSize(source, 'cover', 8, 8)).toEqual([12, 8])
  const scaled = resample(source, 12, 8, 'lanczos')
  expect(fitPicture(source, 'cover', 8, 8)).toEqual(crop(scaled, { left: 2, top: 0, right: 10, bottom: 8 }))
})

test('fitting scales to the smaller side and keeps everything', () => {
  expect(scaledSize(source, 'fit', 8, 8)).toEqual([8, 5])
  const fitted = fitPicture(source, 'fit', 8, 8)
  // 8/2 − 5/2 by whole halves: two rows above, and one of the two below falls outside.
  expect(crop(fitted, { left: 0, top: 2, right: 8, bottom: 7 })).toEqual(resample(source, 8, 5, 'lanczos'))
})

test('the same proportions need neither cutting nor filling', () => {
  for (const mode of ['cover', 'fit'] as const) expect(fitPicture(source, mode, 32, 20).width).toBe(32)
  expect(fitPicture(source, 'fit', 16, 10)).toBe(source)
})

test('a flat picture stays flat, margins included', () => {
  const flat = filled(1, 30, 10, [77])
  expect(fitPicture(flat, 'fit', 20, 20)).toEqual(filled(1, 20, 20, [77]))
})

test('proportions beyond reason are refused', () => {
  expect(() => fitPicture(filled(1, 4000, 1, [0]), 'fit', 64, 64)).toThrow('too narrow')
})
