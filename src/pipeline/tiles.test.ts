import { expect, test } from 'vitest'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { inTiles } from './tiles.ts'

/** Mean of the 3 × 3 points around each, zeros beyond the edge: what a tile does not see of its neighbours is small. */
function blurred({ shape, data }: Tensor): Tensor {
  const [, , height, width] = shape as [number, number, number, number]
  const at = (y: number, x: number) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : data[y * width + x]!)
  const values = Float32Array.from(data, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width]
    let sum = 0
    for (let v = y - 1; v <= y + 1; v++) for (let u = x - 1; u <= x + 1; u++) sum += at(v, u)
    return sum / 9
  })
  return { shape, data: values }
}

function doubled({ shape, data }: Tensor): Tensor {
  const [batch, channels, height, width] = shape as [number, number, number, number]
  const values = new Float32Array(data.length * 4)
  for (let i = 0; i < values.length; i++) {
    const [y, x] = [Math.floor(i / (2 * width)), i % (2 * width)]
    values[i] = data[Math.floor(y / 2) * width + Math.floor(x / 2)]!
  }
  return { shape: [batch, channels, 2 * height, 2 * width], data: values }
}

const picture = tensor(
  Float32Array.from({ length: 50 * 37 }, (_, i) => Math.sin(i * i)),
  [1, 1, 37, 50],
)

test('what needs no neighbours comes out exactly, whatever the size', async () => {
  const whole = doubled(picture)
  const tiled = await inTiles(picture, { size: 16, overlap: 8, scale: 2 }, async (tile) => doubled(tile))
  expect(tiled.shape).toEqual(whole.shape)
  for (const [i, value] of whole.data.entries()) expect(tiled.data[i]!).toBeCloseTo(value, 6)
})

test('a picture that fits one tile is run whole', async () => {
  const sizes: string[] = []
  await inTiles(picture, { size: 64, overlap: 8, scale: 1 }, async (tile) => {
    sizes.push(tile.shape.join())
    return tile
  })
  expect(sizes).toEqual(['1,1,37,50'])
})

test('the edge of a tile counts for little where another sees further', async () => {
  const whole = blurred(picture)
  const tiled = await inTiles(picture, { size: 24, overlap: 16, scale: 1 }, async (tile) => blurred(tile))
  const errors = whole.data.map((value, i) => Math.abs(value - tiled.data[i]!))
  // At its edge a tile misses three or, in a corner, five of nine neighbours, and has a share of 0.5/16 there.
  expect(Math.max(...errors)).toBeLessThan((0.5 / 16) * (3 / 9 + 5 / 9))
})
