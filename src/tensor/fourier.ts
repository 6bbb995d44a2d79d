/** Complex numbers, real and imaginary parts apart. */
export interface Complex {
  readonly re: Float64Array
  readonly im: Float64Array
}

/**
 * The discrete Fourier transform of rows × columns numbers, scaled by 1/√N so that the inverse is its mirror image, with
 * frequency 0 in the middle. Both sides must be even.
 */
export function fourier2d(
  { re, im }: Complex,
  rows: number,
  columns: number,
  direction: 'forward' | 'inverse',
): Complex {
  const centred = { re: shifted(re, rows, columns), im: shifted(im, rows, columns) }
  const sign = direction === 'forward' ? -1 : 1
  const turnRow = turns(columns, sign)
  const turnColumn = turns(rows, sign)
  for (let y = 0; y < rows; y++) transformLine(centred, y * columns, 1, columns, turnRow)
  for (let x = 0; x < columns; x++) transformLine(centred, x, columns, rows, turnColumn)
  const scale = 1 / Math.sqrt(rows * columns)
  return {
    re: shifted(centred.re, rows, columns).map((value) => value * scale),
    im: shifted(centred.im, rows, columns).map((value) => value * scale),
  }
}

/** Halves swapped along both sides. */
function shifted(values: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(values.length)
  for (let y = 0; y < rows; y++) {
    const from = ((y + rows / 2) % rows) * columns
    result.set(values.subarray(from + columns / 2, from + columns), y * columns)
    result.set(values.subarray(from, from + columns / 2), y * columns + columns / 2)
  }
  return result
}

/** The n-th roots of one, in the sense of the transform. */
function turns(n: number, sign: number): Complex {
  const angle = (i: number) => (sign * 2 * Math.PI * i) / n
  return {
    re: Float64Array.from({ length: n }, (_, i) => Math.cos(angle(i))),
    im: Float64Array.from({ length: n }, (_, i) => Math.sin(angle(i))),
  }
}

function transformLine(values: Complex, start: number, stride: number, n: number, roots: Complex): void {
  const line = { re: new Float64Array(n), im: new Float64Array(n) }
  for (let i = 0; i < n; i++) {
    line.re[i] = values.re[start + i * stride]!
    line.im[i] = values.im[start + i * stride]!
  }
  const out = transform(line, roots, 1)
  for (let i = 0; i < n; i++) {
    values.re[start + i * stride] = out.re[i]!
    values.im[start + i * stride] = out.im[i]!
  }
}

/** Cooley and Tukey 1965 for any length: split by the smallest prime, transform the parts, put them together. */
function transform(line: Complex, roots: Complex, stride: number): Complex {
  const n = line.re.length
  if (n === 1) return line
  let parts = 2
  while (n % parts !== 0) parts++
  const length = n / parts
  const pieces = Array.from({ length: parts }, (_, p) => {
    const piece = { re: new Float64Array(length), im: new Float64Array(length) }
    for (let i = 0; i < length; i++) {
      piece.re[i] = line.re[i * parts + p]!
      piece.im[i] = line.im[i * parts + p]!
    }
    return transform(piece, roots, stride * parts)
  })
  const out = { re: new Float64Array(n), im: new Float64Array(n) }
  for (let k = 0; k < n; k++) {
    let [re, im] = [0, 0]
    for (const [p, piece] of pieces.entries()) {
      const turn = ((k * p) % n) * stride
      const [c, s] = [roots.re[turn]!, roots.im[turn]!]
      const [a, b] = [piece.re[k % length]!, piece.im[k % length]!]
      re += a * c - b * s
      im += a * s + b * c
    }
    out.re[k] = re
    out.im[k] = im
  }
  return out
}
