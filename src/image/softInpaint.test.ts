import { expect, test } from 'vitest'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { filled } from './picture.ts'
import { blendLatents, differenceMask, softInpaintingDefaults as settings, stepMask } from './softInpaint.ts'

const constant = (value: number, ...shape: number[]): Tensor => {
  const size = shape.reduce((product, dim) => product * dim, 1)
  return tensor(new Float32Array(size).fill(value), shape)
}

test('a step’s mask keeps its ends and lets the original hold on longer at high noise', () => {
  const mask = tensor([0, 0.5, 1], [1, 3])
  expect(stepMask(mask, 2, settings).data).toEqual(Float32Array.of(0, 0.5, 1))
  expect(stepMask(mask, 8, settings).data[1]).toBeCloseTo(0.5 ** 4, 6)
  expect(stepMask(mask, 8, { ...settings, scheduleBias: 0 }).data[1]).toBeCloseTo(Math.sqrt(0.5), 6)
})

test('blending ends at the original where the mask is 0 and at the current latent where it is 1', () => {
  const original = tensor([3, 1, 0, 2, 4, 5, 6, 7], [1, 4, 1, 2])
  const current = tensor([-1, 8, 2, 2, 0, 1, 1, 3], [1, 4, 1, 2])
  const blended = blendLatents(original, current, tensor([0, 1], [1, 2]), settings)
  for (let c = 0; c < 4; c++) {
    expect(blended.data[c * 2]).toBeCloseTo(original.data[c * 2]!, 4)
    expect(blended.data[c * 2 + 1]).toBeCloseTo(current.data[c * 2 + 1]!, 4)
  }
})

test('a blend of vectors at right angles has the length of their power mean', () => {
  const blended = blendLatents(
    tensor([3, 0], [1, 2, 1, 1]),
    tensor([0, 3], [1, 2, 1, 1]),
    tensor([0.5], [1, 1]),
    settings,
  )
  expect(Math.hypot(...blended.data)).toBeCloseTo(3, 4)
  const uneven = blendLatents(
    tensor([2, 0], [1, 2, 1, 1]),
    tensor([0, 4], [1, 2, 1, 1]),
    tensor([0.5], [1, 1]),
    settings,
  )
  expect(Math.hypot(...uneven.data)).toBeCloseTo(((2 ** 4 + 4 ** 4) / 2) ** 0.25, 4)
})

test('one original serves every picture of a batch', () => {
  const current = tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 4, 1, 1])
  const blended = blendLatents(tensor([9, 9, 9, 9], [1, 4, 1, 1]), current, tensor([0], [1, 1]), settings)
  for (const value of blended.data) expect(value).toBeCloseTo(9, 4)
})

test('where nothing moved the original is laid over, where much moved it is not', () => {
  const zero = constant(0, 1, 4, 8, 8)
  const mask = constant(1, 8, 8)
  const size = { width: 64, height: 64 }
  expect(differenceMask(zero, zero, mask, settings, size)).toEqual(filled(1, 64, 64, [0]))
  expect(differenceMask(zero, constant(50, 1, 4, 8, 8), mask, settings, size)).toEqual(filled(1, 64, 64, [254]))
})

test('at the threshold half of the original shows', () => {
  // Four equal channels: the distance is twice their difference. Half opacity is half after the smooth step too.
  const { data } = differenceMask(
    constant(0, 1, 4, 8, 8),
    constant(settings.differenceThreshold / 2, 1, 4, 8, 8),
    constant(1, 8, 8),
    settings,
    { width: 64, height: 64 },
  )
  for (const value of data) expect(Math.abs(value - 127.5)).toBeLessThan(1)
})

test('a single moved place is ignored by the median', () => {
  const moved = constant(0, 1, 4, 16, 16)
  moved.data[8 * 16 + 8] = 100
  const still = constant(0, 1, 4, 16, 16)
  const spot = differenceMask(still, moved, constant(1, 16, 16), settings, { width: 16, height: 16 })
  for (let y = 4; y < 13; y++) for (let x = 4; x < 13; x++) moved.data[y * 16 + x] = 100
  const patch = differenceMask(still, moved, constant(1, 16, 16), settings, { width: 16, height: 16 })
  expect(Math.max(...patch.data)).toBeGreaterThan(100)
  expect(Math.max(...spot.data)).toBeLessThan(Math.max(...patch.data))
})

test('with full influence of the mask, what was kept stays hidden behind the original', () => {
  const result = constant(0.5, 1, 4, 8, 8)
  const still = constant(0, 1, 4, 8, 8)
  const full = { ...settings, maskInfluence: 1 }
  const kept = differenceMask(still, result, constant(0, 8, 8), full, { width: 8, height: 8 })
  const painted = differenceMask(still, result, constant(1, 8, 8), full, { width: 8, height: 8 })
  expect(Math.max(...kept.data)).toBe(0)
  expect(Math.min(...painted.data)).toBe(255)
})
