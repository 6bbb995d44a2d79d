import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodePicture, pictureFormat } from './decode.ts'
import { encodeGif, encodePicture, encodePng } from './encode.ts'
import { type Picture, picture } from './picture.ts'
import { readInfotext } from './readInfotext.ts'

/** Smooth colour, so that lossy formats stay near it. */
function gradient(channels: 1 | 3 | 4, width = 48, height = 32): Picture {
  const result = picture(channels, width, height)
  for (let i = 0; i < result.data.length; i++) {
    const pixel = Math.floor(i / channels)
    const c = i % channels
    result.data[i] = c === 3 ? 255 - (pixel % width) : 60 + c * 30 + (pixel % width) + Math.floor(pixel / width)
  }
  return result
}

const infotext = '猫 a cat 😀 é\nNegative prompt: "dog"\nSteps: 20, Sampler: Euler a, CFG scale: 7.0'

test.each([
  ['png', 0],
  ['jpg', 6],
  ['jpeg', 6],
  ['webp', 8],
  ['avif', 8],
  ['gif', 12],
])('%s carries the picture and its infotext', async (format, tolerance) => {
  const source = gradient(3)
  const { bytes, extension } = await encodePicture(source, { format, quality: 95, infotext })
  expect(extension).toBe(format)
  expect((await readInfotext(bytes)).infotext).toBe(infotext)
  const back = await decodePicture(bytes)
  expect([back.channels, back.width, back.height]).toEqual([3, 48, 32])
  expect(Math.max(...back.data.map((value, i) => Math.abs(value - source.data[i]!)))).toBeLessThanOrEqual(tolerance)
})

test('lossless WebP keeps every value', async () => {
  const { bytes } = await encodePicture(gradient(3), { format: 'webp', quality: 80, webpLossless: true })
  expect((await decodePicture(bytes)).data).toEqual(gradient(3).data)
})

test('PNG keeps alpha, and grey stays one channel in the file', async () => {
  const rgba = await decodePicture(await encodePng(gradient(4)))
  expect(rgba).toEqual(gradient(4))
  const grey = await encodePng(gradient(1))
  // The colour type of the header: 0 is grey.
  expect(grey[25]).toBe(0)
  const back = await decodePicture(grey)
  expect(Array.from(back.data.filter((_, i) => i % 3 === 1))).toEqual(Array.from(gradient(1).data))
})

test('formats without alpha get the colour alone', async () => {
  const { bytes } = await encodePicture(gradient(4), { format: 'jpg', quality: 90 })
  expect((await decodePicture(bytes)).channels).toBe(3)
})

test('a picture or a text too large for its format becomes a PNG', async () => {
  for (const [format, side] of [
    ['webp', 16_383],
    ['avif', 16_384],
    ['jpg', 65_500],
    ['gif', 65_535],
  ] as const) {
    expect((await encodePicture(picture(3, side, 1), { format, quality: 80 })).extension).toBe(format)
    expect((await encodePicture(picture(3, 1, side + 1), { format, quality: 80 })).extension).toBe('png')
  }
  const wordy = 'x'.repeat(40_000)
  for (const format of ['jpg', 'webp', 'avif']) {
    const { bytes, extension } = await encodePicture(gradient(3), { format, quality: 80, infotext: wordy })
    expect(extension).toBe('png')
    expect((await readInfotext(bytes)).infotext).toBe(wordy)
  }
})

test('the longest text that EXIF holds is written in full', async () => {
  const long = '猫'.repeat(32_650)
  const { bytes, extension } = await encodePicture(gradient(3), { format: 'jpg', quality: 80, infotext: long })
  expect(extension).toBe('jpg')
  expect((await readInfotext(bytes)).infotext).toBe(long)
})

test('other PNG text travels beside the infotext', async () => {
  const text: [string, string][] = [
    ['extras', 'upscaled'],
    ['Title', 'naïve'],
  ]
  const { bytes } = await encodePicture(gradient(3), { format: 'png', quality: 80, infotext, text })
  const read = await readInfotext(bytes)
  expect(read.infotext).toBe(infotext)
  expect([...read.items]).toEqual(text)
})

test('a GIF comment longer than one block is read back whole', async () => {
  const long = 'comment '.repeat(100)
  expect((await readInfotext(await encodeGif(gradient(3), long))).infotext).toBe(long)
})

test('an unknown format is refused by name', async () => {
  const attempt = encodePicture(gradient(3), { format: 'xcf', quality: 80 })
  await expect(attempt).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining('xcf') })
})

test('the infotext of every recorded picture is found in its file', async () => {
  const goldens: { cases: Record<string, { images?: { file: string; infotext: string | null }[] }> } = JSON.parse(
    readFileSync(new URL('../../test/golden/index.json', import.meta.url), 'utf8'),
  )
  const images = Object.values(goldens.cases).flatMap((each) => each.images ?? [])
  expect(images.length).toBeGreaterThan(480)
  for (const { file, infotext: expected } of images) {
    const bytes = readFileSync(new URL(`../../test/golden/${file}`, import.meta.url))
    expect(pictureFormat(bytes)).toBe('png')
    expect((await readInfotext(bytes)).infotext).toBe(expected ?? undefined)
  }
})
