import { expect, test } from 'vitest'
import { type Matrix, multiply, transposed } from './matrix.ts'
import { productSvd, type Svd, svd, truncatedSvd } from './svd.ts'

const wave = (rows: number, columns: number, step: number): Matrix => ({
  shape: [rows, columns],
  data: Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(step * i * i + i)),
})
const whole = ({ u, s, v }: Svd): Matrix => {
  const scaled = { ...u, data: u.data.map((x, i) => x * s[i % s.length]!) }
  return multiply(scaled, transposed(v))
}
const expectSame = (found: Matrix, expected: Matrix) => {
  for (const [i, x] of expected.data.entries()) expect(Math.abs(found.data[i]! - x)).toBeLessThan(1e-4)
}
const expectOrthonormal = (a: Matrix) => {
  const gram = multiply(transposed(a), a)
  for (const [i, x] of gram.data.entries()) expect(x).toBeCloseTo(i % (a.shape[1] + 1) === 0 ? 1 : 0, 4)
}

test.each([
  [7, 5],
  [5, 7],
  [6, 6],
])('a matrix of %i×%i is put together again from its parts', (rows, columns) => {
  const a = wave(rows, columns, 0.37)
  const parts = svd(a)
  expectSame(whole(parts), a)
  expectOrthonormal(parts.u)
  expectOrthonormal(parts.v)
  expect([...parts.s]).toEqual([...parts.s].sort((x, y) => y - x))
})

test('singular values of a known matrix', () => {
  // [[3, 0], [4, 5]]: the eigenvalues of aᵀa are 45 and 5.
  const { s } = svd({ shape: [2, 2], data: Float32Array.of(3, 0, 4, 5) })
  expect(s[0]).toBeCloseTo(Math.sqrt(45), 6)
  expect(s[1]).toBeCloseTo(Math.sqrt(5), 6)
})

test('a product of low rank and a large matrix of that rank come to the same', () => {
  const [up, down] = [wave(90, 3, 0.11), wave(3, 70, 0.23)]
  const product = multiply(up, down)
  const [exact, drawn] = [productSvd(up, down), truncatedSvd(product, 3)]
  expectSame(whole(exact), product)
  expectSame(whole(drawn), product)
  for (let i = 0; i < 3; i++) expect(drawn.s[i]! / exact.s[i]!).toBeCloseTo(1, 5)
})

test('a matrix of zeros has no directions and no length', () => {
  const { s, u } = svd({ shape: [3, 2], data: new Float32Array(6) })
  expect([...s]).toEqual([0, 0])
  expect([...u.data].every(Number.isFinite)).toBe(true)
})
