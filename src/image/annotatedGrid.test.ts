import { expect, test } from 'vitest'
import { annotatedGrid, type Label } from './annotatedGrid.ts'
import { inkSpan, lineWidth, wrapped } from './lettering.ts'
import { crop, filled, type Rgb8 } from './picture.ts'

const colors = { background: '#ffffff', active: '#000000', inactive: '#999999' }
const label = (text: string, isActive = true): Label[] => [{ text, isActive }]
const grid = filled(3, 128, 128, [0, 0, 255])

const darkest = ({ data }: Rgb8) => data.reduce((least, value) => Math.min(least, value), 255)

test('labels take their room at the left and above, and nothing of the cells', async () => {
  const columns = [label('Seed: 1'), label('Seed: 2')]
  const rows = [label('CFG Scale: 3.0'), label('CFG Scale: 7.0')]
  const result = await annotatedGrid(grid, { width: 64, height: 64, columns, rows, margin: 0, colors })
  expect(result.width).toBe(128 + 48)
  const top = result.height - 128
  expect(top).toBeGreaterThan(4)
  expect(crop(result, { left: 48, top, right: result.width, bottom: result.height })).toEqual(grid)
  // Each of the four is written somewhere, and the corner is empty.
  const boxes = [
    { left: 48, top: 0, right: 112, bottom: top },
    { left: 112, top: 0, right: 176, bottom: top },
    { left: 0, top, right: 48, bottom: top + 64 },
    { left: 0, top: top + 64, right: 48, bottom: top + 128 },
  ]
  for (const box of boxes) expect(darkest(crop(result, box))).toBeLessThan(160)
  expect(darkest(crop(result, { left: 0, top: 0, right: 48, bottom: top }))).toBe(255)
})

test('without any text there is no room for it; margins come between cells', async () => {
  const none = [label(''), label('')]
  const result = await annotatedGrid(grid, { width: 64, height: 64, columns: none, rows: none, margin: 6, colors })
  expect([result.width, result.height]).toEqual([134, 134])
  expect(crop(result, { left: 64, top: 0, right: 70, bottom: 134 })).toEqual(filled(3, 6, 134, [255, 255, 255]))
})

test('what is inactive is grey and struck through', async () => {
  const columns = [label('red', false), label('red')]
  const { height, ...rest } = await annotatedGrid(grid, {
    width: 64,
    height: 64,
    columns,
    rows: [[], []],
    margin: 0,
    colors,
  })
  const top = { left: 0, top: 0, bottom: height - 128 }
  expect(darkest(crop({ height, ...rest }, { ...top, right: 64 }))).toBeGreaterThanOrEqual(0x99)
  expect(darkest(crop({ height, ...rest }, { ...top, left: 64, right: 128 }))).toBeLessThan(0x99)
})

test('colours of the options are colours, or refused', async () => {
  const bad = { ...colors, active: '"/><script>' }
  const columns = [label('a'), label('b')]
  await expect(
    annotatedGrid(grid, { width: 64, height: 64, columns, rows: [], margin: 0, colors: bad }),
  ).rejects.toMatchObject({ code: 'bad-request' })
})

test('lines are broken at spaces where they would be too wide', () => {
  const width = lineWidth('one two', 10) + 0.1
  expect(wrapped('one two three', 10, width)).toEqual(['one two', 'three'])
  expect(lineWidth('汉字', 10)).toBe(20)
  expect(inkSpan('', 10)).toEqual([0, 0])
  const [top, bottom] = inkSpan('g', 10)
  expect(top).toBeLessThan(0)
  expect(bottom).toBeGreaterThan(0)
})
