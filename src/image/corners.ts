import { sobel } from './edges.ts'
import type { L8 } from './picture.ts'

/** A place in a picture, in pixels. */
export interface Point {
  readonly x: number
  readonly y: number
}

export interface CornerOptions {
  readonly most: number
  /** Share of the strongest corner's strength that is enough. */
  readonly quality: number
  /** Least distance between two corners, in pixels. */
  readonly distance: number
}

/**
 * Corners worth following (Shi and Tomasi 1994), strongest first: where the smaller eigenvalue of the slopes' 3 × 3
 * covariance is a local maximum.
 */
export function corners(source: L8, { most, quality, distance }: CornerOptions): Point[] {
  const { width, height } = source
  const strength = smallerEigenvalues(source)
  const least = strength.reduce((max, value) => Math.max(max, value), 0) * quality
  const candidates: number[] = []
  // The outermost pixels have no neighbours to be larger than.
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x
      const here = strength[i]!
      if (here > least && here > 0 && isLargest(strength, i, width)) candidates.push(i)
    }
  }
  candidates.sort((a, b) => strength[b]! - strength[a]! || b - a)
  const found: Point[] = []
  for (const i of candidates) {
    const point = { x: i % width, y: Math.floor(i / width) }
    if (found.some(({ x, y }) => (x - point.x) ** 2 + (y - point.y) ** 2 < distance ** 2)) continue
    found.push(point)
    if (found.length === most) break
  }
  return found
}

function isLargest(strength: Float32Array, i: number, width: number): boolean {
  for (const row of [i - width, i, i + width]) {
    for (let at = row - 1; at <= row + 1; at++) if (strength[at]! > strength[i]!) return false
  }
  return true
}

/** Of the matrix of Σdx², Σdxdy, Σdy² over 3 × 3 pixels, for slopes of a picture in 0…1. */
function smallerEigenvalues(source: L8): Float32Array {
  const { width, height } = source
  const { dx, dy } = sobel(source, 'reflect')
  const scale = 1 / (4 * 3 * 255)
  const products = [dx.map((x) => x * x), dx.map((x, i) => x * dy[i]!), dy.map((y) => y * y)]
  const [xx, xy, yy] = products.map((values) => sums3x3(values, width, height)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  return Float32Array.from(xx, (value, i) => {
    const [a, b, c] = [value * scale * scale * 0.5, xy[i]! * scale * scale, yy[i]! * scale * scale * 0.5]
    return a + c - Math.sqrt((a - c) ** 2 + b * b)
  })
}

/** Sums over each pixel and its eight neighbours, mirrored at the edges. */
function sums3x3(values: Int32Array, width: number, height: number): Float64Array {
  const mirrored = (i: number, size: number) => (size === 1 ? 0 : i < 0 ? 1 : i >= size ? size - 2 : i)
  const rows = new Float64Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (column: number) => values[y * width + mirrored(column, width)]!
      rows[y * width + x] = at(x - 1) + at(x) + at(x + 1)
    }
  }
  return rows.map((value, i) => {
    const [x, y] = [i % width, Math.floor(i / width)]
    return value + rows[mirrored(y - 1, height) * width + x]! + rows[mirrored(y + 1, height) * width + x]!
  })
}
