import { expect, test } from 'vitest'
import { hiresSize } from './hiresSize.ts'

const none = { width: 0, height: 0 }

test('a factor cuts fractions of pixels off', () => {
  const size = { width: 153, height: 96 }
  expect(hiresSize({ kind: 'scale', scale: 1.5 }, { width: 102, height: 64 })).toEqual({
    upscaled: size,
    cut: none,
    picture: size,
  })
  expect(hiresSize({ kind: 'scale', scale: 1.1 }, { width: 513, height: 512 }).picture).toEqual({
    width: 564,
    height: 563,
  })
})

test('one side alone keeps the ratio', () => {
  const size = { width: 128, height: 192 }
  expect(hiresSize({ kind: 'size', width: 128, height: 0 }, { width: 64, height: 96 })).toEqual({
    upscaled: size,
    cut: none,
    picture: size,
  })
  expect(hiresSize({ kind: 'size', width: 0, height: 100 }, { width: 64, height: 96 }).picture).toEqual({
    width: 66,
    height: 100,
  })
})

test('both sides are covered, and what stands over is cut in whole latent points', () => {
  expect(hiresSize({ kind: 'size', width: 160, height: 96 }, { width: 64, height: 64 })).toEqual({
    upscaled: { width: 160, height: 160 },
    cut: { width: 0, height: 8 },
    picture: { width: 160, height: 96 },
  })
  expect(hiresSize({ kind: 'size', width: 96, height: 160 }, { width: 64, height: 64 }).cut).toEqual({
    width: 8,
    height: 0,
  })
})
