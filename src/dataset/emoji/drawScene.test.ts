import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filled } from '../../image/picture.ts'
import { drawsFor } from '../draws.ts'
import { openPictureStore, type PictureStore, writePictureStore } from '../pictureStore.ts'
import { splitOf } from '../split.ts'
import type { EmojiRow } from './buildEmojiSet.ts'
import { sceneDrawer } from './drawScene.ts'
import { hueWord } from './hue.ts'
import { isHeldOutPair } from './nouns.ts'
import { subjectPool } from './subjectPool.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-scenes-'))
const groups = ['food-drink', 'objects', 'flags'] as const
const rows = Array.from({ length: 150 }, (_, i): EmojiRow => {
  const label = `thing ${i % 50}`
  const set = ['noto', 'fluent', 'fxemoji'][Math.floor(i / 50)]!
  const names = { slug: label.replace(' ', '-'), label, tags: [], chineseLabel: undefined, chineseTags: [] }
  return {
    ...names,
    group: groups[(i % 50) % 3 === 0 ? 2 : (i % 50) % 2]!,
    set,
    style: `${set} emoji`,
    use: 'training',
  }
})
let store: PictureStore<EmojiRow>
beforeAll(async () => {
  async function* drawings() {
    for (const row of rows) yield { row, picture: filled(4, 32, 32, [220, 40, 40, 255]) }
  }
  await writePictureStore(folder, 32, drawings())
  store = openPictureStore(folder)
})
afterAll(() => {
  store.close()
  rmSync(folder, { recursive: true })
})

const weights = { groups: { 'food-drink': 1, objects: 3 }, favourites: [], favouriteWeight: 1 }

test('subjects are drawn by their weights, from their split and group alone', () => {
  const pool = subjectPool(rows, 'training', weights, 1)
  const picked = Array.from({ length: 3000 }, (_, i) => rows[pool.pick(drawsFor(1, i))]!)
  const subjects = (group: string) => new Set(rows.filter((row) => row.group === group).map(({ slug }) => slug)).size
  const share = picked.filter(({ group }) => group === 'objects').length / picked.length
  const expected = (3 * subjects('objects')) / (3 * subjects('objects') + subjects('food-drink'))
  expect(Math.abs(share - expected)).toBeLessThan(0.04)
  expect(picked.every((row) => row.group !== 'flags' && splitOf(row) === 'training')).toBe(true)
  expect(rows[pool.pickOf('fluent', drawsFor(1))]!.set).toBe('fluent')
})

test('more folds hold out more, and what fewer held out among it', () => {
  const held = (folds: number) => rows.filter((row) => splitOf(row, folds) === 'held-out')
  expect(held(3).length).toBeGreaterThan(held(1).length)
  expect(held(3)).toEqual(expect.arrayContaining(held(1)))
})

test('a scene is a function of its draws, and its colours are what it says', () => {
  const pool = subjectPool(rows, 'training', weights, 1)
  const draw = sceneDrawer(store, pool, { turned: 1, pairs: 0, small: 0, hasHeldOutPairs: false }, 16)
  const seen = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const { scene, picture } = draw(drawsFor(5, i))
    expect(draw(drawsFor(5, i))).toEqual({ scene, picture })
    expect([picture.width, picture.height]).toEqual([16, 16])
    const [part] = scene.parts
    expect(part!.isTurned).toBe(true)
    expect(part!.color).not.toBe('red')
    expect(isHeldOutPair(part!.color!, part!.noun)).toBe(false)
    seen.add(part!.color!)
    const [red, green, blue] = picture.data.subarray(3 * (8 * 16 + 8))
    expect(hueWord(hueOf(red!, green!, blue!))).toBe(part!.color)
  }
  expect(seen.size).toBe(7)
})

test('two things stand side by side in the same style', () => {
  const pool = subjectPool(rows, 'training', weights, 1)
  const draw = sceneDrawer(store, pool, { turned: 0, pairs: 1, small: 0, hasHeldOutPairs: false }, 32)
  const { scene, picture } = draw(drawsFor(2))
  expect(scene.parts.length).toBe(2)
  const isThing = (x: number) => picture.data[3 * (16 * 32 + x)] === 220 && picture.data[3 * (16 * 32 + x) + 1] === 40
  expect([isThing(8), isThing(24)]).toEqual([true, true])
})

/** Degrees of a colour's hue, by the arc tangent of its place on the colour circle. */
function hueOf(red: number, green: number, blue: number): number {
  const degrees = (Math.atan2(Math.sqrt(3) * (green - blue), 2 * red - green - blue) * 180) / Math.PI
  return (degrees + 360) % 360
}
