import { expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { readBytes } from '../files/readWeight.ts'
import { picture } from '../image/picture.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { upscaleInTiles } from './upscaleInTiles.ts'

// Recorded by scripts/goldens/upscaleTiles.py from the web UI.
const golden = openWeights(new URL('goldens/upscaleTiles.safetensors', import.meta.url).pathname)

function source(width: number, height: number) {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3]
    return x * 7 + y * 13 + c * 50 + x * y
  })
  return picture(3, width, height, data)
}

/** Doubles a tile and adds a slope across it, so that every seam shows. */
async function doubled({ shape, data }: Tensor): Promise<Tensor> {
  const [, , height, width] = shape as [number, number, number, number]
  const result = new Float32Array(3 * 4 * height * width)
  for (let i = 0; i < result.length; i++) {
    const [c, y, x] = [
      Math.floor(i / (4 * height * width)),
      Math.floor(i / (2 * width)) % (2 * height),
      i % (2 * width),
    ]
    const pixel = data[(c * height + (y >> 1)) * width + (x >> 1)]!
    result[i] = 0.6 * pixel + [0.2, 0.1, 0.05][c]! * (x / (2 * width) + y / (2 * height))
  }
  return { shape: [1, 3, 2 * height, 2 * width], data: result }
}

test.each([...golden.entries.keys()])('%s is cut and joined as the web UI does it', async (name) => {
  const [width, height, size, overlap] = name.split(/[x ]/).map(Number) as [number, number, number, number]
  const enlarged = await upscaleInTiles(source(width, height), { size, overlap }, 1, doubled)
  const expected = golden.entries.get(name)!
  expect([enlarged.height, enlarged.width, 3]).toEqual(expected.shape)
  const bytes = readBytes(expected)
  const apart = enlarged.data.map((byte, i) => Math.abs(byte - bytes[i]!))
  // Where a sum of the model lies near a half, its last bit decides.
  expect(Math.max(...apart)).toBeLessThanOrEqual(1)
  expect(apart.filter((difference) => difference > 0).length).toBeLessThan(apart.length / 200)
})

test('a network that wants even sides sees the picture continued by its reflection', async () => {
  const seen: Tensor[] = []
  const enlarged = await upscaleInTiles(source(5, 3), { size: 0, overlap: 0 }, 4, async (pixels) => {
    seen.push(pixels)
    return doubled(pixels)
  })
  expect([enlarged.width, enlarged.height]).toEqual([10, 6])
  expect(seen.map(({ shape }) => shape)).toEqual([[1, 3, 4, 8]])
  const row = [...seen[0]!.data.subarray(0, 8)].map((unit) => Math.round(255 * unit))
  expect(row).toEqual([0, 7, 14, 21, 28, 21, 14, 7].map((x) => x + 100))
})
