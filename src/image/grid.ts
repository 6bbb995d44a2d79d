import { parseColor, toRgb } from './channels.ts'
import { filled, type Picture, pasted, type Rgb8 } from './picture.ts'

/** How many rows a grid has: a number, as many as one batch holds, or about as many as columns. */
export type GridRows = number | 'batch' | 'square' | 'square-without-gaps'

/** Rows of a grid of `count` pictures. */
export function gridRows(count: number, rows: GridRows, batchSize: number): number {
  if (rows === 'square-without-gaps') {
    let even = Math.floor(Math.sqrt(count))
    while (count % even !== 0) even--
    return even
  }
  const wanted = rows === 'batch' ? batchSize : rows === 'square' ? Math.round(Math.sqrt(count)) : rows
  return Math.min(Math.max(wanted, 1), count)
}

/** Pictures in rows on a background colour, each in the middle of a cell as large as the largest. */
export function pictureGrid(pictures: readonly Picture[], rows: number, background = '#ffffff'): Rgb8 {
  if (pictures.length === 0) throw new Error('internal: a grid of no pictures')
  const columns = Math.ceil(pictures.length / rows)
  const width = Math.max(...pictures.map((each) => each.width))
  const height = Math.max(...pictures.map((each) => each.height))
  let grid = filled(3, columns * width, rows * height, parseColor(background))
  for (const [i, each] of pictures.entries()) {
    const left = (i % columns) * width + Math.floor((width - each.width) / 2)
    const top = Math.floor(i / columns) * height + Math.floor((height - each.height) / 2)
    grid = pasted(grid, toRgb(each), left, top)
  }
  return grid
}
