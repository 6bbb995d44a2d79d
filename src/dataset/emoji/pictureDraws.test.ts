import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filled, picture, type Rgba8 } from '../../image/picture.ts'
import { drawsFor } from '../draws.ts'
import { openPictureStore, type PictureStore, writePictureStore } from '../pictureStore.ts'
import { rowsOf, splitOf } from '../split.ts'
import type { EmojiRow } from './buildEmojiSet.ts'
import { drawGround, onGround } from './ground.ts'
import { dominantHue, hueTurned, hueWord, typicalHues } from './hue.ts'
import { judgedPictures, pictureBatches } from './pictureDraws.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-draws-'))
const row = (i: number, use: EmojiRow['use'] = 'training'): EmojiRow => ({
  slug: `thing-${i}`,
  label: `thing ${i}`,
  tags: [],
  chineseLabel: undefined,
  chineseTags: [],
  group: 'objects',
  set: use === 'training' ? 'noto' : 'openmoji',
  style: 'noto emoji',
  use,
})
const rows = Array.from({ length: 120 }, (_, i) => row(i, i < 100 ? 'training' : 'held-out style'))

let store: PictureStore<EmojiRow>
beforeAll(async () => {
  // Each drawing is one opaque colour that is its number.
  async function* drawings() {
    for (const [i, row] of rows.entries()) yield { row, picture: filled(4, 16, 16, [i, i, i, 255]) }
  }
  await writePictureStore(folder, 16, drawings())
  store = openPictureStore(folder)
})
afterAll(() => {
  store.close()
  rmSync(folder, { recursive: true })
})

test('splits are disjoint, decided by name, and hold out about one in 25', () => {
  expect(rowsOf(rows, 'other-style')).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i))
  const many = Array.from({ length: 5000 }, (_, i) => splitOf(row(i)))
  const heldOut = many.filter((split) => split === 'held-out').length
  expect(heldOut).toBeGreaterThan(150)
  expect(heldOut).toBeLessThan(250)
})

test('a batch is a function of seed, step and part, and has training drawings only', () => {
  const batches = pictureBatches(store, { batch: 64, size: 8, seed: 3 })
  const batch = batches(5, 1)
  expect(batch.shape).toEqual([64, 3, 8, 8])
  expect(batches(5, 1).data).toEqual(batch.data)
  expect(batches(5, 0).data).not.toEqual(batch.data)
  expect(batches(6, 1).data).not.toEqual(batch.data)
  const training = new Set(rowsOf(rows, 'training'))
  for (let i = 0; i < 64; i++) expect(training).toContain(Math.round(((batch.data[i * 192]! + 1) / 2) * 255))
})

test('what is judged is whole, on white, and of the split asked for', () => {
  const pictures = judgedPictures(store, 'other-style', 5)
  expect(pictures.map(({ data }) => data[0])).toEqual([100, 104, 108, 112, 116])
  expect(pictures[0]).toMatchObject({ width: 16, channels: 3 })
})

test('a drawing covers its ground by its alpha', () => {
  const half: Rgba8 = picture(4, 1, 2, Uint8Array.of(200, 0, 0, 128, 9, 9, 9, 0))
  const laid = onGround(half, { top: [0, 100, 0], bottom: [1, 2, 3], words: undefined })
  expect([...laid.data]).toEqual([100, 50, 0, 1, 2, 3])
})

test('grounds are white half of the time and named where they are not', () => {
  const grounds = Array.from({ length: 400 }, (_, i) => drawGround(drawsFor(1, i)))
  const plain = grounds.filter(({ words }) => words === undefined)
  expect(plain.length).toBeGreaterThan(160)
  expect(plain.length).toBeLessThan(240)
  expect(plain.every(({ top }) => top.every((x) => x === 255))).toBe(true)
})

test('a turned hue has the word it was turned to', () => {
  const red = filled(4, 4, 4, [220, 40, 40, 255])
  expect(dominantHue(red)).toBeCloseTo(5, 5)
  for (const [word, degrees] of typicalHues) {
    expect(hueWord(degrees)).toBe(word)
    expect(hueWord(dominantHue(hueTurned(red, degrees))!)).toBe(word)
  }
  expect([...hueTurned(red, 120).data.subarray(0, 4)]).toEqual([40, 220, 40, 255])
  expect(hueTurned(red, 360).data).toEqual(red.data)
})

test('grey and motley drawings have no hue', () => {
  expect(dominantHue(filled(4, 4, 4, [90, 90, 95, 255]))).toBeUndefined()
  const motley = picture(4, 2, 2, Uint8Array.of(255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 0, 255))
  expect(dominantHue(motley)).toBeUndefined()
})
