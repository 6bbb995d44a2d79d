import { expect, test } from 'vitest'
import { filled, picture, type Rgb8 } from './picture.ts'
import { cutTiles, joinTiles, tileGrid } from './tileGrid.ts'

/** Every pixel another colour. */
function striped(width: number, height: number): Rgb8 {
  const result = picture(3, width, height)
  for (let i = 0; i < result.data.length; i++) result.data[i] = (i * 7) % 251
  return result
}

test.each([
  [100, 70, 32, 32, 8],
  [64, 64, 64, 64, 16],
  [65, 40, 40, 40, 0],
  [30, 30, 64, 64, 8],
])('a picture of %d × %d in tiles of %d × %d comes together again', (width, height, w, h, overlap) => {
  const source = striped(width, height)
  const grid = tileGrid(source, w, h, overlap)
  const tiles = cutTiles(source, grid)
  expect(joinTiles(grid, tiles)).toEqual(source)
  expect(tiles).toHaveLength(grid.rows.length * grid.rows[0]!.xs.length)
})

test('neighbours share at least the overlap', () => {
  for (const { y, xs } of tileGrid({ width: 200, height: 50 }, 64, 50, 20).rows) {
    expect(y).toBe(0)
    expect(xs).toEqual([0, 34, 68, 102, 136])
    for (const [i, x] of xs.slice(1).entries()) expect(xs[i]! + 64 - x).toBeGreaterThanOrEqual(20)
  }
})

test('a tile fades into the one before it', () => {
  const grid = tileGrid({ width: 12, height: 8 }, 8, 8, 4)
  const joined = joinTiles(grid, [filled(3, 8, 8, [0, 0, 0]), filled(3, 8, 8, [255, 255, 255])])
  const row = Array.from({ length: 12 }, (_, x) => joined.data[x * 3])
  expect(row).toEqual([0, 0, 0, 0, 0, 63, 127, 191, 255, 255, 255, 255])
})
