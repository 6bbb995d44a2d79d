import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWeights } from '../../files/openWeights.ts'
import { encodePng } from '../../image/encode.ts'
import { picture } from '../../image/picture.ts'
import { detectModel } from '../../models/detect.ts'
import type { Given } from '../given.ts'
import { PosteriorCache } from '../posteriorCache.ts'
import { readArguments } from './arguments.ts'
import { readTrainingData } from './data.ts'
import { datasetSettings } from './datasets.ts'

const recordings = fileURLToPath(new URL('../../../test/golden-training/dataset/train/3_foo style/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'athanor-subset-'))
const train = join(folder, 'train', '1_foo')
const masks = join(folder, 'masks')

beforeAll(async () => {
  for (const place of [train, masks]) mkdirSync(place, { recursive: true })
  for (const name of ['img00.png', 'img00.txt']) copyFileSync(join(recordings, name), join(train, name))
  const half = picture(3, 128, 128)
  // Black on the left and red on the right; the other colours say nothing.
  for (let i = 0; i < half.data.length; i += 3) half.data.set((i / 3) % 128 < 64 ? [0, 255, 255] : [255, 0, 0], i)
  writeFileSync(join(masks, 'img00.png'), await encodePng(half))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function dataOf(more: Readonly<Record<string, Given>>) {
  const config: Record<string, Given> = { train_data_dir: join(folder, 'train'), resolution: '128', ...more }
  const { values } = readArguments(new Map(Object.entries(config)), new Map())
  return readTrainingData(datasetSettings(values, folder).datasets, 1)
}

test('what a mask of the same name shows in red is what a point counts, and a mirrored picture has a mirrored mask', async () => {
  const { datasets } = await dataOf({ conditioning_data_dir: 'masks' })
  const { config, weights } = detectModel(
    openWeights(fileURLToPath(new URL('../../../test/golden/models/tiny-sd1.safetensors', import.meta.url))),
  )
  const cache = new PosteriorCache({ config, weights, vaeHash: '', folder: undefined, threads: 1 })
  const rows = async (isFlipped: boolean) => {
    const { data } = (await cache.get(datasets[0]!.train[0]!, isFlipped)).alpha!
    return Array.from({ length: 16 }, (_, y) => [...data.subarray(16 * y, 16 * y + 16)])
  }
  const row = [...new Array<number>(8).fill(0), ...new Array<number>(8).fill(1)]
  expect(await rows(false)).toEqual(new Array(16).fill(row))
  expect(await rows(true)).toEqual(new Array(16).fill(row.toReversed()))
  await cache.dispose()
})

test('masks that are not there are missed by name', async () => {
  await expect(dataOf({ conditioning_data_dir: 'nowhere' })).rejects.toThrow(
    /^conditioning_data_dir: .*nowhere does not/,
  )
  rmSync(join(masks, 'img00.png'))
  await expect(dataOf({ conditioning_data_dir: 'masks' })).rejects.toThrow('no mask is called as img00.png is')
})

test('pictures that cannot be learnt from are left out and named, each with its reason; the rest is learnt from', async () => {
  const whole = readFileSync(join(recordings, 'img01.png'))
  writeFileSync(join(train, 'empty.png'), '')
  writeFileSync(join(train, 'broken.png'), whole.subarray(0, whole.length / 2))
  writeFileSync(join(train, 'text.jpg'), 'not a picture')
  writeFileSync(join(train, 'point.png'), await encodePng(picture(3, 1, 1)))
  const { datasets, notes } = await dataOf({
    enable_bucket: true,
    min_bucket_reso: 64,
    max_bucket_reso: 256,
    bucket_no_upscale: true,
  })
  expect(datasets[0]!.train.map(({ path }) => path)).toEqual([join(train, 'img00.png')])
  const note = notes.find((line) => line.includes('left out'))
  expect(note).toMatch(/^1_foo: 4 of 5 pictures left out: /)
  for (const name of ['empty.png', 'broken.png', 'text.jpg', 'point.png']) expect(note).toContain(`${name} (`)
  // Nothing is passed over in silence: those without a caption are named too.
  expect(notes.find((line) => line.includes('no caption'))).toContain('4 of 5')
})
