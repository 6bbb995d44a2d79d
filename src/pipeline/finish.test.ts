import { expect, test } from 'vitest'
import { crop, filled, type L8, mapBytes, picture, type Rgb8 } from '../image/picture.ts'
import { finishMasked } from './finish.ts'
import type { ByProductWish } from './recipe.ts'

const byProducts: readonly ByProductWish[] = [
  { kind: 'mask', isReturned: true, isSaved: false },
  { kind: 'mask composite', isReturned: false, isSaved: true },
]
const numbered = (width: number, height: number): Rgb8 =>
  picture(
    3,
    width,
    height,
    Uint8Array.from({ length: width * height * 3 }, (_, i) => i + 1),
  )
const left: L8 = picture(1, 4, 2, Uint8Array.of(255, 255, 0, 0, 255, 255, 0, 0))
const original = filled(3, 4, 2, [7, 7, 7])

/** RGBA bytes, pixel by pixel. */
const pixels = (data: Uint8Array, channels: number) =>
  Array.from({ length: data.length / channels }, (_, i) => [...data.slice(i * channels, (i + 1) * channels)])

test('of a whole picture, the composite is what was painted inside the mask and nothing outside', () => {
  const painted = numbered(4, 2)
  const { picture: result, byProducts: beside } = finishMasked({ overlay: true, byProducts }, painted, {
    original,
    mask: left,
    region: undefined,
  })
  expect(beside.map(({ picture: _, ...wish }) => wish)).toEqual(byProducts)
  const [mask, composite] = beside.map((each) => each.picture)
  expect(pixels(mask!.data, 3)).toEqual([...left.data].map((value) => [value, value, value]))
  const colours = pixels(painted.data, 3)
  const isInside = [...left.data].map((value) => value === 255)
  expect(pixels(composite!.data, 4)).toEqual(
    colours.map((colour, i) => (isInside[i] ? [...colour, 255] : [0, 0, 0, 0])),
  )
  expect(pixels(result.data, 3)).toEqual(colours.map((colour, i) => (isInside[i] ? colour : [7, 7, 7])))
})

test('where the mask is grey, so is the composite’s alpha, and its colour is still what was painted', () => {
  const grey = mapBytes(left, (value) => (value === 255 ? 51 : 0))
  const painted = filled(3, 4, 2, [200, 100, 50])
  const [, composite] = finishMasked({ overlay: true, byProducts }, painted, {
    original,
    mask: grey,
    region: undefined,
  }).byProducts
  // A fifth of these colours is whole, so that nothing is lost on the way there and back.
  expect(pixels(composite!.picture.data, 4).slice(0, 4)).toEqual([
    ...[
      [200, 100, 50, 51],
      [200, 100, 50, 51],
    ],
    ...[
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ],
  ])
})

test('of a part of a picture, mask and composite are as large as the original, the part in its place', () => {
  const wide = filled(3, 8, 6, [7, 7, 7])
  const box = { left: 2, top: 1, right: 6, bottom: 3 }
  const mask = filled(1, 8, 6, [0])
  mask.data.fill(255, 8 + 3, 8 + 5)
  const painted = numbered(4, 2)
  const cover = { original: wide, mask, region: box }
  const { picture: result, byProducts: beside } = finishMasked({ overlay: true, byProducts }, painted, cover)
  const [whole, composite] = beside.map((each) => each.picture)
  expect(whole).toMatchObject({ width: 8, height: 6, channels: 3 })
  expect(composite).toMatchObject({ width: 8, height: 6, channels: 4 })
  const seen = [...Array(8 * 6).keys()].filter((i) => composite!.data[i * 4 + 3] !== 0)
  expect(seen).toEqual([11, 12])
  expect(composite!.data.reduce((sum, value) => sum + value, 0)).toBe(
    [4, 5, 6, 7, 8, 9, 255, 255].reduce((sum, value) => sum + value, 0),
  )
  expect([...crop(result, { left: 3, top: 1, right: 5, bottom: 2 }).data]).toEqual([4, 5, 6, 7, 8, 9])
})

test('without an overlay a part stays alone, and its composite is cut by the whole mask brought to its size', () => {
  const painted = filled(3, 4, 2, [10, 20, 30])
  const half = picture(
    1,
    8,
    4,
    Uint8Array.from({ length: 32 }, (_, i) => (i < 16 ? 255 : 0)),
  )
  const { picture: result, byProducts: beside } = finishMasked({ overlay: false, byProducts }, painted, {
    original: filled(3, 8, 4, [7, 7, 7]),
    mask: half,
    region: { left: 0, top: 0, right: 4, bottom: 2 },
  })
  expect(result).toEqual(painted)
  const [mask, composite] = beside.map((each) => each.picture)
  expect(mask).toMatchObject({ width: 8, height: 4 })
  expect(composite).toMatchObject({ width: 4, height: 2 })
  const alphas = [...Array(8).keys()].map((i) => composite!.data[i * 4 + 3]!)
  for (const alpha of alphas.slice(0, 4)) expect(alpha).toBeGreaterThan(127)
  for (const alpha of alphas.slice(4)) expect(alpha).toBeLessThan(128)
})

test('a recipe that does not say what goes out beside its pictures has nothing beside them', () => {
  const cover = { original, mask: left, region: undefined }
  expect(finishMasked({ overlay: true }, numbered(4, 2), cover).byProducts).toEqual([])
})
