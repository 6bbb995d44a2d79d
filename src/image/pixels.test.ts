import { expect, test } from 'vitest'
import { tensor } from '../tensor/tensor.ts'
import { md5OfPixels } from './channels.ts'
import { filled, picture } from './picture.ts'
import { fromPixels, toPixels } from './pixels.ts'

test('a picture survives the way to −1…1 and back, every level of it', () => {
  const levels = picture(3, 16, 16)
  for (let i = 0; i < 256; i++) levels.data.fill(i, i * 3, i * 3 + 3)
  const [back] = fromPixels(toPixels([levels]))
  // Truncation loses a level where x/255·2 − 1 rounds down; never more.
  for (let i = 0; i < 256; i++) expect([i, i - 1]).toContain(back!.data[i * 3])
  expect([back!.data[0], back!.data[255 * 3]]).toEqual([0, 255])
})

test('channels become planes and pictures a batch', () => {
  const pixels = toPixels([filled(3, 2, 1, [0, 255, 0]), filled(3, 2, 1, [255, 0, 0])])
  expect(pixels.shape).toEqual([2, 3, 1, 2])
  expect(Array.from(pixels.data)).toEqual([-1, -1, 1, 1, -1, -1, 1, 1, -1, -1, -1, -1])
})

test('decoded values are clamped and cut, not rounded', () => {
  const [result] = fromPixels(tensor([-3, 3, (254.99 / 255) * 2 - 1, 0, Number.NaN, -1], [1, 3, 1, 2]))
  expect(Array.from(result!.data)).toEqual([0, 254, 0, 255, 127, 0])
})

test('pictures of different sizes make no batch', () => {
  expect(() => toPixels([filled(3, 2, 1, [0, 0, 0]), filled(3, 1, 2, [0, 0, 0])])).toThrow('internal')
})

test('the hash of raw pixels is MD5 over the bytes', () => {
  // md5 of the three letters, as everyone's md5sum prints it.
  const abc = picture(3, 1, 1, new TextEncoder().encode('abc'))
  expect(md5OfPixels(abc)).toBe('900150983cd24fb0d6963f7d28e17f72')
})
