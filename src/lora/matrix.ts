import type { Tensor } from '../tensor/tensor.ts'

/** A tensor of two dimensions. */
export interface Matrix extends Tensor {
  readonly shape: readonly [number, number]
}

/** The same numbers as a matrix of so many rows. */
export function asMatrix(x: Tensor, rows: number): Matrix {
  return { shape: [rows, rows === 0 ? 0 : x.data.length / rows], data: x.data }
}

/** a·b, summed in float64: [m, k]·[k, n] → [m, n]. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  const [m, k] = a.shape
  const n = b.shape[1]
  const data = new Float32Array(m * n)
  const row = new Float64Array(n)
  for (let i = 0; i < m; i++) {
    row.fill(0)
    for (let j = 0; j < k; j++) {
      const factor = a.data[i * k + j]!
      for (let c = 0, at = j * n; c < n; c++, at++) row[c]! += factor * b.data[at]!
    }
    data.set(row, i * n)
  }
  return { shape: [m, n], data }
}

export function transposed(a: Matrix): Matrix {
  const [m, n] = a.shape
  const data = new Float32Array(m * n)
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) data[j * m + i] = a.data[i * n + j]!
  return { shape: [n, m], data }
}

/**
 * A Tucker core times the matrix of its second axis: core [r, s, …kernel], b [s, n] → [r, n·kernel], which is the
 * low-rank side of a convolution with all its kernel's points.
 */
export function withCore(core: Tensor, b: Matrix): Matrix {
  const [r, s] = core.shape as readonly [number, number]
  const n = b.shape[1]
  const points = core.data.length / (r * s)
  const data = new Float32Array(r * n * points)
  for (let i = 0; i < r; i++) {
    for (let j = 0; j < s; j++) {
      for (let column = 0; column < n; column++) {
        const factor = b.data[j * n + column]!
        const from = (i * s + j) * points
        const to = (i * n + column) * points
        for (let point = 0; point < points; point++) data[to + point]! += factor * core.data[from + point]!
      }
    }
  }
  return { shape: [r, n * points], data }
}

/**
 * Cayley's map of square blocks [count, n, n]: with Q = A − Aᵀ of each, R = (I + Q)·(I − Q)⁻¹ is orthogonal.
 * Where `limit` is above 0, Q is shortened to that length over all blocks together, as constrained OFT has it.
 */
export function cayley(blocks: Float32Array, n: number, limit: number): Float32Array {
  const skew = new Float64Array(blocks.length)
  for (let at = 0; at < blocks.length; at += n * n) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) skew[at + i * n + j] = blocks[at + i * n + j]! - blocks[at + j * n + i]!
    }
  }
  if (limit > 0) {
    // The small number keeps an untrained network, all zeros, from being divided by its length.
    const length = Math.sqrt(skew.reduce((sum, q) => sum + q * q, 0))
    const factor = (Math.min(length, limit) + 1e-8) / (length + 1e-8)
    for (let i = 0; i < skew.length; i++) skew[i]! *= factor
  }
  const out = new Float32Array(blocks.length)
  for (let at = 0; at < blocks.length; at += n * n) out.set(rotation(skew.subarray(at, at + n * n), n), at)
  return out
}

/** (I + Q)·(I − Q)⁻¹ of one block. Both factors are functions of Q and commute, so this solves (I − Q)·R = I + Q. */
function rotation(skew: Float64Array, n: number): Float64Array {
  const left = Float64Array.from(skew, (q, i) => (i % (n + 1) === 0 ? 1 : 0) - q)
  const right = Float64Array.from(skew, (q, i) => (i % (n + 1) === 0 ? 1 : 0) + q)
  for (let pivot = 0; pivot < n; pivot++) {
    let best = pivot
    for (let i = pivot + 1; i < n; i++) {
      if (Math.abs(left[i * n + pivot]!) > Math.abs(left[best * n + pivot]!)) best = i
    }
    swapRows(left, n, pivot, best)
    swapRows(right, n, pivot, best)
    const divisor = left[pivot * n + pivot]!
    for (let i = 0; i < n; i++) {
      if (i === pivot) continue
      const factor = left[i * n + pivot]! / divisor
      if (factor === 0) continue
      for (let j = pivot; j < n; j++) left[i * n + j]! -= factor * left[pivot * n + j]!
      for (let j = 0; j < n; j++) right[i * n + j]! -= factor * right[pivot * n + j]!
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) right[i * n + j]! /= left[i * n + i]!
  return right
}

function swapRows(matrix: Float64Array, n: number, a: number, b: number): void {
  if (a === b) return
  const kept = matrix.slice(a * n, (a + 1) * n)
  matrix.copyWithin(a * n, b * n, (b + 1) * n)
  matrix.set(kept, b * n)
}
