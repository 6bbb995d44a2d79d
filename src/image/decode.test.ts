import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { decodePicture } from './decode.ts'
import { picture } from './picture.ts'
import { withPngText } from './pngText.ts'

const noise = picture(3, 40, 30)
for (let i = 0; i < noise.data.length; i++) noise.data[i] = (i * 7919) % 251
const noiseImage = () => sharp(noise.data, { raw: { width: 40, height: 30, channels: 3 } })

function pngHeader(width: number, height: number): Buffer {
  const chunk = (type: string, content: Buffer) => {
    const bytes = Buffer.alloc(12 + content.length)
    bytes.writeUInt32BE(content.length)
    bytes.write(type, 4, 'latin1')
    content.copy(bytes, 8)
    return bytes
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([1, 0, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.alloc(1 << 20)))])
}

describe('what is read', () => {
  test('16-bit PNG by its upper bytes', async () => {
    const wide = Uint16Array.from(noise.data, (value) => value * 256 + 99)
    const image = sharp(wide, { raw: { width: 40, height: 30, channels: 3 } }).toColourspace('rgb16')
    const png = await image.png().toBuffer()
    expect((await decodePicture(png)).data).toEqual(noise.data)
  })

  test('palette PNG and GIF as colours', async () => {
    const blocks = picture(3, 8, 8)
    for (let i = 0; i < 64; i++) blocks.data.set(i % 8 < 4 ? [255, 0, 0] : [0, 0, 255], i * 3)
    const image = sharp(blocks.data, { raw: { width: 8, height: 8, channels: 3 } })
    expect((await decodePicture(await image.clone().png({ palette: true }).toBuffer())).data).toEqual(blocks.data)
    expect((await decodePicture(await image.clone().gif().toBuffer())).data).toEqual(blocks.data)
  })

  test('grey with alpha as RGB with alpha', async () => {
    const image = sharp(Uint8Array.of(10, 255, 200, 0), { raw: { width: 2, height: 1, channels: 2 } })
    const png = await image.toColourspace('b-w').png().toBuffer()
    expect(Array.from((await decodePicture(png)).data)).toEqual([10, 10, 10, 255, 200, 200, 200, 0])
  })

  test('CMYK JPEG as Pillow turns its inks into light', async () => {
    const golden = JSON.parse(readFileSync(new URL('./goldens/pictures.json', import.meta.url), 'utf8'))
    const { channels, data } = await decodePicture(Buffer.from(golden.inkJpeg, 'base64'))
    expect(channels).toBe(3)
    expect(data).toEqual(new Uint8Array(Buffer.from(golden.inkAsLight, 'base64')))
  })

  test('a photo turned by its EXIF orientation stands upright', async () => {
    const jpeg = await noiseImage().withMetadata({ orientation: 6 }).jpeg().toBuffer()
    const { width, height } = await decodePicture(jpeg)
    expect([width, height]).toEqual([30, 40])
  })

  test('the first frame of an animation', async () => {
    const frames = sharp(Buffer.concat([noise.data, noise.data]), {
      raw: { width: 40, height: 60, channels: 3, pageHeight: 30 },
    })
    const { width, height } = await decodePicture(await frames.gif().toBuffer())
    expect([width, height]).toEqual([40, 30])
  })

  test('TIFF', async () => {
    expect((await decodePicture(await noiseImage().tiff({ compression: 'lzw' }).toBuffer())).data).toEqual(noise.data)
  })
})

describe('what is refused', () => {
  test.each([
    ['nothing', ''],
    ['a web page', '<!DOCTYPE html><html><img src=x></html>'],
    ['an SVG', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'],
    ['text', 'hello'],
  ])('%s is no picture', async (_, text) => {
    await expect(decodePicture(Buffer.from(text))).rejects.toMatchObject({ code: 'bad-file' })
  })

  test('a bomb is refused by its header, before anything is inflated', async () => {
    const start = performance.now()
    await expect(decodePicture(pngHeader(65_000, 65_000))).rejects.toMatchObject({
      code: 'too-large',
      message: expect.stringContaining('65000x65000'),
    })
    expect(performance.now() - start).toBeLessThan(1000)
  })

  test('a picture over the caller’s own limits', async () => {
    const png = await noiseImage().png().toBuffer()
    const attempt = decodePicture(png, { maxPixels: 1000, maxBytes: 1 << 20 })
    await expect(attempt).rejects.toMatchObject({ code: 'too-large' })
    await expect(decodePicture(png, { maxPixels: 1e6, maxBytes: 10 })).rejects.toMatchObject({ code: 'too-large' })
  })

  test.each(['png', 'jpeg', 'webp', 'avif', 'gif'] as const)('a %s cut short', async (format) => {
    const whole = await noiseImage().toFormat(format).toBuffer()
    for (const share of [0.1, 0.5, 0.9]) {
      const cut = whole.subarray(0, Math.floor(whole.length * share))
      await expect(decodePicture(cut), `${share}`).rejects.toMatchObject({ code: 'bad-file' })
    }
  })

  test('a TIFF cut short, unless only what follows its pixels is lost', async () => {
    const whole = await noiseImage().tiff({ compression: 'lzw' }).toBuffer()
    for (const share of [0.1, 0.5, 0.9]) {
      const read = await decodePicture(whole.subarray(0, Math.floor(whole.length * share))).catch((error) => error)
      if (read.name === 'StudioError') expect(read.code).toBe('bad-file')
      else expect(read.data).toEqual(noise.data)
    }
  })

  test('a file that does not exist', async () => {
    await expect(decodePicture('/nowhere/x.png')).rejects.toMatchObject({ code: 'missing-file' })
  })

  test('random bytes behind each signature end in an error of ours', async () => {
    const random = (size: number) => Uint8Array.from({ length: size }, (_, i) => ((i + size) * 48271) % 251)
    const starts = ['\x89PNG\r\n\x1a\n', '\xff\xd8\xff', 'RIFF\x10\0\0\0WEBP', '\0\0\0\x20ftypavif', 'GIF89a', 'II*\0']
    for (const start of starts) {
      for (let i = 0; i < 20; i++) {
        const bytes = Buffer.concat([Buffer.from(start, 'latin1'), random(20 * i)])
        await expect(decodePicture(bytes)).rejects.toMatchObject({ name: 'StudioError' })
      }
    }
  })
})

test('text chunks do not disturb the pixels', async () => {
  const png = withPngText(await noiseImage().png().toBuffer(), [['parameters', 'x'.repeat(5000)]])
  expect((await decodePicture(png)).data).toEqual(noise.data)
})
