import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { decodePicture } from '../image/decode.ts'
import type { Rgb8 } from '../image/picture.ts'
import { toPixels } from '../image/pixels.ts'
import { detectModel } from '../models/detect.ts'
import { encoderGraph } from '../models/graphs.ts'
import { compile } from '../runtime/compile.ts'
import { bucketTable, placeInBucket } from './buckets.ts'
import { framed } from './framing.ts'
import { captionedPictures, repeatedFolders } from './trainingFolder.ts'

const recordings = fileURLToPath(new URL('../../test/golden-training/', import.meta.url))
const train = `${recordings}dataset/train`
const options = { resolution: [128, 128] as const, minSide: 64, maxSide: 256, step: 64, noUpscale: false }
const recorded = JSON.parse(readFileSync(`${recordings}vae/vae.json`, 'utf8')) as Record<
  string,
  { bucket: number[]; resized: number[] }
>

test.each(Object.keys(recorded))('%s is cut and encoded as it was recorded', async (key) => {
  const name = key.slice('dataset__train__3_foo style__'.length)
  const source = await decodePicture(`${train}/3_foo style/${name}.png`)
  const place = placeInBucket([source.width, source.height], options, bucketTable(options))
  expect(place).toMatchObject({ bucket: recorded[key]!.bucket, resized: recorded[key]!.resized })
  const { picture } = framed(source, place, { resizing: undefined, isFlipped: false, at: 'center' })
  const expected = (await decodePicture(`${recordings}vae/${key}.png`)) as Rgb8
  // OpenCV rounds its means to whole values on the way.
  const differences = picture.data.map((value, i) => Math.abs(value - expected.data[i]!))
  expect(Math.max(...differences)).toBeLessThanOrEqual(1)
})

test('latents are where the autoencoder of the recording found them', async () => {
  const { config, weights } = detectModel(
    openWeights(fileURLToPath(new URL('../../test/golden/models/tiny-sd1.safetensors', import.meta.url))),
  )
  const session = await compile(encoderGraph(config, { weights }), { residence: 'mapped', threads: 1 })
  const key = 'dataset__train__3_foo style__img04'
  const { moments } = await session.run({
    picture: toPixels([(await decodePicture(`${recordings}vae/${key}.png`)) as Rgb8]),
  })
  await session.dispose()
  const { entries } = openWeights(`${recordings}vae/vae.safetensors`)
  const mean = readWeight(entries.get(`${key}.mean`)!).data
  for (const [i, value] of mean.entries()) expect(Math.abs(moments!.data[i]! - value)).toBeLessThan(1e-3)
})

test('a flipped picture is the mirror of the one it was', async () => {
  const source = await decodePicture(`${train}/3_foo style/img02.png`)
  const place = placeInBucket([source.width, source.height], options, bucketTable(options))
  const frame = (isFlipped: boolean) => framed(source, place, { resizing: undefined, isFlipped, at: 'center' }).picture
  const [plain, mirror] = [frame(false), frame(true)]
  const at = (x: number) => plain.data.subarray((10 * plain.width + x) * 3, (10 * plain.width + x) * 3 + 3)
  expect(mirror.data.subarray(10 * plain.width * 3, 10 * plain.width * 3 + 3)).toEqual(at(plain.width - 1))
})

test('a folder of folders and the folder of pictures itself are both understood', () => {
  const { folders } = repeatedFolders(train, 'train_data_dir')
  expect(folders).toEqual([{ folder: `${train}/3_foo style`, repeats: 3, classTokens: 'foo style' }])
  const leaf = repeatedFolders(`${train}/3_foo style`, 'train_data_dir')
  expect(leaf.folders).toEqual(folders)
  expect(leaf.notes).toEqual([
    expect.stringContaining('holds pictures itself and is taken as one folder with 3 repeats'),
  ])
  expect(() => repeatedFolders(`${train}/nothing`, 'train_data_dir')).toThrow('is no folder')
})

test('captions lie beside their pictures, and a picture may have none', () => {
  const pictures = captionedPictures(`${train}/3_foo style`, undefined)
  expect(pictures).toHaveLength(10)
  expect(pictures[0]!.caption).toBe('foo style, square, triangle, circle')
  expect(pictures[8]!.caption!.split('\n')).toHaveLength(2)
  expect(pictures[9]!.caption).toBeUndefined()
  expect(captionedPictures(`${train}/3_foo style`, 'caption').every(({ caption }) => caption === undefined)).toBe(true)
})
