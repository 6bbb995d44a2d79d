import { expect, test } from 'vitest'
import { comparePictures } from './comparePictures.ts'
import { filled } from './picture.ts'

test('equal pictures are infinitely close', () => {
  const grey = filled(3, 4, 2, [9, 9, 9])
  expect(comparePictures(grey, grey)).toEqual({ sameSize: true, largest: 0, mean: 0, psnr: Number.POSITIVE_INFINITY })
})

test('an even difference of one has the PSNR of its definition, 20·log₁₀ 255', () => {
  const { largest, mean, psnr } = comparePictures(filled(3, 4, 2, [9, 9, 9]), filled(3, 4, 2, [10, 8, 10]))
  expect([largest, mean]).toEqual([1, 1])
  expect(psnr).toBeCloseTo(20 * Math.log10(255), 10)
})

test('pictures of different sizes have nothing to compare', () => {
  expect(comparePictures(filled(3, 4, 2, [0, 0, 0]), filled(3, 2, 4, [0, 0, 0])).sameSize).toBe(false)
})
