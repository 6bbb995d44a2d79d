import { mt19937 } from '../tensor/mt19937.ts'
import { type Matrix, multiply, transposed } from './matrix.ts'

/** a = u·diag(s)·vᵀ with singular values in descending order. */
export interface Svd {
  /** [m, k]. */
  readonly u: Matrix
  readonly s: Float64Array
  /** [n, k]. */
  readonly v: Matrix
}

/** One-sided Jacobi (Hestenes 1958) turns columns until all are at right angles; few sweeps do. */
const maxSweeps = 40
const precise = 1e-15
/** Sides up to this are decomposed exactly; larger ones by their action on a few random vectors. */
const exactSide = 48
const oversampling = 12
const powerIterations = 4

/** The largest `rank` singular values and vectors of a matrix. */
export function truncatedSvd(a: Matrix, rank: number): Svd {
  const smallest = Math.min(...a.shape)
  const kept = Math.min(rank, smallest)
  if (smallest <= exactSide || kept + oversampling >= smallest) return leading(svd(a), kept)

  // Halko, Martinsson and Tropp 2011, Algorithms 4.4 and 5.1: an orthonormal basis of what a does to random vectors.
  const other = transposed(a)
  let basis = orthonormal(multiply(a, randomMatrix(a.shape[1], kept + oversampling)))
  for (let i = 0; i < powerIterations; i++) basis = orthonormal(multiply(a, orthonormal(multiply(other, basis))))
  const { u, s, v } = svd(multiply(transposed(basis), a))
  return leading({ u: multiply(basis, u), s, v }, kept)
}

/** The decomposition of up·down, [m, r]·[r, n], from the small matrix that is left when both are made orthonormal. */
export function productSvd(up: Matrix, down: Matrix): Svd {
  const [left, right] = [orthonormal(up), orthonormal(transposed(down))]
  const inner = multiply(multiply(transposed(left), up), multiply(down, right))
  const { u, s, v } = svd(inner)
  return { u: multiply(left, u), s, v: multiply(right, v) }
}

/** All singular values and vectors. */
export function svd(a: Matrix): Svd {
  const [m, n] = a.shape
  if (m < n) {
    const { u, s, v } = svd(transposed(a))
    return { u: v, s, v: u }
  }
  // Columns as rows of memory, and the turns they have made.
  const columns = Array.from({ length: n }, (_, j) => Float64Array.from({ length: m }, (_, i) => a.data[i * n + j]!))
  const turns = Array.from({ length: n }, (_, j) => Float64Array.from({ length: n }, (_, i) => (i === j ? 1 : 0)))
  for (let sweep = 0; sweep < maxSweeps; sweep++) {
    let isDone = true
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) if (turned(columns, turns, p, q)) isDone = false
    if (isDone) break
  }
  const lengths = columns.map((column) => Math.sqrt(dot(column, column)))
  const order = lengths.map((_, j) => j).sort((i, j) => lengths[j]! - lengths[i]!)
  const largest = lengths[order[0] ?? 0] ?? 0
  const u = new Float32Array(m * n)
  const v = new Float32Array(n * n)
  for (const [k, j] of order.entries()) {
    const length = lengths[j]!
    const isZero = length <= largest * 1e-30
    for (let i = 0; i < m; i++) u[i * n + k] = isZero ? 0 : columns[j]![i]! / length
    for (let i = 0; i < n; i++) v[i * n + k] = turns[j]![i]!
  }
  return {
    u: { shape: [m, n], data: u },
    s: Float64Array.from(order, (j) => lengths[j]!),
    v: { shape: [n, n], data: v },
  }
}

/** Turns two columns to a right angle; false where they are at one. */
function turned(columns: readonly Float64Array[], turns: readonly Float64Array[], p: number, q: number): boolean {
  const [x, y] = [columns[p]!, columns[q]!]
  const [alpha, beta, gamma] = [dot(x, x), dot(y, y), dot(x, y)]
  if (gamma === 0 || Math.abs(gamma) <= precise * Math.sqrt(alpha * beta)) return false
  const zeta = (beta - alpha) / (2 * gamma)
  const tangent = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta))
  const cosine = 1 / Math.hypot(1, tangent)
  rotate(x, y, cosine, cosine * tangent)
  rotate(turns[p]!, turns[q]!, cosine, cosine * tangent)
  return true
}

function rotate(x: Float64Array, y: Float64Array, cosine: number, sine: number): void {
  for (let i = 0; i < x.length; i++) {
    const [xi, yi] = [x[i]!, y[i]!]
    x[i] = cosine * xi - sine * yi
    y[i] = sine * xi + cosine * yi
  }
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!
  return sum
}

/** Columns of the same span at right angles, of length 1 (Gram and Schmidt, twice for the sake of rounding); some may be 0. */
export function orthonormal(a: Matrix): Matrix {
  const [m, n] = a.shape
  const columns = Array.from({ length: n }, (_, j) => Float64Array.from({ length: m }, (_, i) => a.data[i * n + j]!))
  const data = new Float32Array(m * n)
  for (const [j, column] of columns.entries()) {
    const before = Math.sqrt(dot(column, column))
    for (let pass = 0; pass < 2; pass++) {
      for (const other of columns.slice(0, j)) {
        const along = dot(column, other)
        if (along !== 0) for (let i = 0; i < m; i++) column[i] = column[i]! - along * other[i]!
      }
    }
    const length = Math.sqrt(dot(column, column))
    const factor = length > 1e-12 * before ? 1 / length : 0
    for (let i = 0; i < m; i++) {
      column[i] = column[i]! * factor
      data[i * n + j] = column[i]!
    }
  }
  return { shape: [m, n], data }
}

/** Normal numbers that are the same each time. */
function randomMatrix(rows: number, columns: number): Matrix {
  const next = mt19937(rows)
  const uniform = () => (next() + 0.5) * 2 ** -32
  const data = Float32Array.from(
    { length: rows * columns },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
  return { shape: [rows, columns], data }
}

function leading({ u, s, v }: Svd, rank: number): Svd {
  return { u: firstColumns(u, rank), s: s.slice(0, rank), v: firstColumns(v, rank) }
}

export function firstColumns({ shape: [m, n], data }: Matrix, count: number): Matrix {
  const kept = new Float32Array(m * count)
  for (let i = 0; i < m; i++) kept.set(data.subarray(i * n, i * n + count), i * count)
  return { shape: [m, count], data: kept }
}
