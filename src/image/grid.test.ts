import { expect, test } from 'vitest'
import { gridRows, pictureGrid } from './grid.ts'
import { crop, filled } from './picture.ts'

test.each([
  [4, 'square', 1, 2],
  [5, 'square', 1, 2],
  [7, 'square', 1, 3],
  [6, 'batch', 3, 3],
  [2, 5, 1, 2],
  [6, 2, 1, 2],
  [8, 'square-without-gaps', 1, 2],
  [7, 'square-without-gaps', 1, 1],
] as const)('%d pictures by %s, batches of %d, stand in %d rows', (count, rows, batchSize, expected) => {
  expect(gridRows(count, rows, batchSize)).toBe(expected)
})

test('cells are filled row by row, the rest is background', () => {
  const cells = [10, 20, 30].map((value) => filled(3, 4, 4, [value, value, value]))
  const grid = pictureGrid(cells, 2)
  expect([grid.width, grid.height]).toEqual([8, 8])
  expect(crop(grid, { left: 4, top: 0, right: 8, bottom: 4 })).toEqual(cells[1])
  expect(crop(grid, { left: 0, top: 4, right: 4, bottom: 8 })).toEqual(cells[2])
  expect(crop(grid, { left: 4, top: 4, right: 8, bottom: 8 })).toEqual(filled(3, 4, 4, [255, 255, 255]))
})

test('a smaller picture stands in the middle of its cell', () => {
  const grid = pictureGrid([filled(3, 6, 4, [1, 1, 1]), filled(1, 2, 2, [9])], 1, '#000000')
  expect(crop(grid, { left: 8, top: 1, right: 10, bottom: 3 })).toEqual(filled(3, 2, 2, [9, 9, 9]))
  expect(crop(grid, { left: 6, top: 0, right: 8, bottom: 4 })).toEqual(filled(3, 2, 4, [0, 0, 0]))
})
