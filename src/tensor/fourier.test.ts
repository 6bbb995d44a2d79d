import { expect, test } from 'vitest'
import { fourier2d } from './fourier.ts'
import { pcg64 } from './pcg64.ts'

const draw = pcg64(1)
const some = (length: number) => Float64Array.from({ length }, draw)

/** The sum of the definition, frequency 0 in the middle as the pixels are around theirs. */
function slowly(values: Float64Array, rows: number, columns: number, fy: number, fx: number) {
  let [re, im] = [0, 0]
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const turn = ((y - rows / 2) * (fy - rows / 2)) / rows + ((x - columns / 2) * (fx - columns / 2)) / columns
      re += values[y * columns + x]! * Math.cos(2 * Math.PI * turn)
      im -= values[y * columns + x]! * Math.sin(2 * Math.PI * turn)
    }
  }
  return [re / Math.sqrt(rows * columns), im / Math.sqrt(rows * columns)]
}

test.each([
  [4, 6],
  [2, 10],
  [12, 14],
])('%d × %d numbers are transformed as the definition says', (rows, columns) => {
  const values = some(rows * columns)
  const { re, im } = fourier2d({ re: values, im: new Float64Array(values.length) }, rows, columns, 'forward')
  for (const [fy, fx] of [
    [0, 0],
    [1, 3 % columns],
    [rows - 1, columns - 1],
    [rows / 2, columns / 2],
  ] as const) {
    const [wantedRe, wantedIm] = slowly(values, rows, columns, fy, fx)
    expect(re[fy * columns + fx]).toBeCloseTo(wantedRe!, 12)
    expect(im[fy * columns + fx]).toBeCloseTo(wantedIm!, 12)
  }
})

test('the inverse takes it back', () => {
  const [rows, columns] = [30, 8]
  const values = { re: some(rows * columns), im: some(rows * columns) }
  const back = fourier2d(fourier2d(values, rows, columns, 'forward'), rows, columns, 'inverse')
  for (const part of ['re', 'im'] as const) {
    for (const [i, value] of back[part].entries()) expect(value).toBeCloseTo(values[part][i]!, 12)
  }
})
