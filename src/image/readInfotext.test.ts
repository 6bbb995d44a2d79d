import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeGif, encodeJpeg, encodePng } from './encode.ts'
import { gifComment } from './gifComment.ts'
import { filled } from './picture.ts'
import { pngText, withPngText } from './pngText.ts'
import { readInfotext } from './readInfotext.ts'
import { userComment } from './userComment.ts'

const grey = filled(3, 8, 8, [128, 128, 128])

/** A chunk with a made-up content, spliced in after the header; readers here do not look at checksums. */
function withChunk(png: Uint8Array, type: string, content: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(content.length)
  head.write(type, 4, 'latin1')
  return Buffer.concat([png.subarray(0, 33), head, content, Buffer.alloc(4), png.subarray(33)])
}

test('Latin-1 text is written as tEXt, other text as iTXt', async () => {
  const png = await encodePng(grey)
  expect(Buffer.from(withPngText(png, [['parameters', 'café']])).includes('tEXtparameters')).toBe(true)
  expect(Buffer.from(withPngText(png, [['parameters', '猫']])).includes('iTXtparameters')).toBe(true)
})

test('compressed text is read', async () => {
  const compressed = deflateSync(Buffer.from('Steps: 20'))
  const zText = Buffer.concat([Buffer.from('parameters\0\0'), compressed])
  expect((await readInfotext(withChunk(await encodePng(grey), 'zTXt', zText))).infotext).toBe('Steps: 20')
  const iText = Buffer.concat([Buffer.from('parameters\0\x01\0\0\0'), deflateSync(Buffer.from('猫'))])
  expect((await readInfotext(withChunk(await encodePng(grey), 'iTXt', iText))).infotext).toBe('猫')
})

test('a text that inflates past a megabyte is passed over', async () => {
  const bomb = Buffer.concat([Buffer.from('parameters\0\0'), deflateSync(Buffer.alloc(50 << 20))])
  const png = withChunk(withPngText(await encodePng(grey), [['Title', 'kept']]), 'zTXt', bomb)
  expect([...(await readInfotext(png)).items]).toEqual([['Title', 'kept']])
})

test('text chunks after the pixels are found', async () => {
  const png = await encodePng(grey)
  const end = png.length - 12
  const late = withPngText(png, [['parameters', 'late']]).subarray(33, 33 + 12 + 'parameters\0late'.length)
  const moved = Buffer.concat([png.subarray(0, end), late, png.subarray(end)])
  expect((await readInfotext(moved)).infotext).toBe('late')
})

test('an EXIF comment in little-endian UTF-16 is read as well', async () => {
  const jpeg = Buffer.from(await encodeJpeg(grey, { quality: 90, infotext: 'a cat 猫' }))
  const at = jpeg.indexOf('UNICODE\0') + 8
  jpeg.subarray(at, at + 14).swap16()
  expect((await readInfotext(jpeg)).infotext).toBe('a cat 猫')
})

test('a picture of NovelAI is described in our words', async () => {
  const png = withPngText(await encodePng(grey), [
    ['Software', 'NovelAI'],
    ['Description', 'a cat'],
    ['Comment', JSON.stringify({ steps: 28, sampler: 'k_euler_ancestral', scale: 5.5, seed: 12, uc: 'dog' })],
  ])
  const { infotext } = await readInfotext(png, (alias) => (alias === 'k_euler_ancestral' ? 'Euler a' : undefined))
  expect(infotext).toBe(
    'a cat\nNegative prompt: dog\n' +
      'Steps: 28, Sampler: Euler a, CFG scale: 5.5, Seed: 12, Size: 8x8, Clip skip: 2, ENSD: 31337',
  )
  const broken = withPngText(await encodePng(grey), [
    ['Software', 'NovelAI'],
    ['Comment', '{'],
  ])
  expect((await readInfotext(broken)).infotext).toBeUndefined()
})

test('a picture that says nothing yields nothing', async () => {
  expect((await readInfotext(await encodePng(grey))).infotext).toBeUndefined()
  expect((await readInfotext(await encodeGif(grey))).infotext).toBeUndefined()
})

test('whatever the bytes, reading ends', async () => {
  const png = await encodePng(grey)
  const gif = await encodeGif(grey, 'x')
  const bytes = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(bytes, fc.nat(60), (noise, at) => {
      pngText(Buffer.concat([png.subarray(0, 8), noise]))
      pngText(Buffer.concat([png.subarray(0, at), noise, png.subarray(at)]))
      gifComment(Buffer.concat([gif.subarray(0, at), noise]))
      userComment(noise)
      userComment(Buffer.concat([Buffer.from(at % 2 ? 'II*\0\x08\0\0\0' : 'MM\0*\0\0\0\x08', 'latin1'), noise]))
    }),
    { numRuns: 500 },
  )
})
