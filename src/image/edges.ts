import { type L8, picture } from './picture.ts'

/** Horizontal and vertical slopes of a grey picture by Sobel's 3 × 3 kernels; beyond an edge the picture goes on by `beyond`. */
export interface Slopes {
  readonly dx: Int32Array
  readonly dy: Int32Array
}

/** What lies outside a picture: its last pixel again, or its mirror image without that pixel. */
export type Beyond = 'replicate' | 'reflect'

/** Sobel's slopes of every pixel. */
export function sobel({ width, height, data }: L8, beyond: Beyond): Slopes {
  const [columns, rows] = [neighbours(width, beyond), neighbours(height, beyond)]
  const dx = new Int32Array(width * height)
  const dy = new Int32Array(width * height)
  for (let y = 0; y < height; y++) {
    const [above, here, below] = [rows[y]! * width, y * width, rows[y + 2]! * width]
    for (let x = 0; x < width; x++) {
      const left = columns[x]!
      const right = columns[x + 2]!
      const topLeft = data[above + left]!
      const topRight = data[above + right]!
      const bottomLeft = data[below + left]!
      const bottomRight = data[below + right]!
      dx[here + x] = topRight - topLeft + 2 * (data[here + right]! - data[here + left]!) + bottomRight - bottomLeft
      dy[here + x] = bottomLeft - topLeft + 2 * (data[below + x]! - data[above + x]!) + bottomRight - topRight
    }
  }
  return { dx, dy }
}

/** Positions −1 to size with those outside brought in: entry i is where position i − 1 is read. */
function neighbours(size: number, beyond: Beyond): Int32Array {
  const inner = beyond === 'reflect' && size > 1 ? 1 : 0
  return Int32Array.from({ length: size + 2 }, (_, i) => {
    if (i === 0) return inner
    return i === size + 1 ? size - 1 - inner : i - 1
  })
}

/** Variance of the Laplacian (4 neighbours, mirrored edges): how much fine detail a picture has. */
export function laplacianVariance({ width, height, data }: L8): number {
  const [columns, rows] = [neighbours(width, 'reflect'), neighbours(height, 'reflect')]
  let sum = 0
  let squares = 0
  for (let y = 0; y < height; y++) {
    const [above, here, below] = [rows[y]! * width, y * width, rows[y + 2]! * width]
    for (let x = 0; x < width; x++) {
      const around = data[above + x]! + data[below + x]! + data[here + columns[x]!]! + data[here + columns[x + 2]!]!
      const value = around - 4 * data[here + x]!
      sum += value
      squares += value * value
    }
  }
  const count = width * height
  return squares / count - (sum / count) ** 2
}

/** tan 22.5° in 15-bit fixed point. */
const tan22 = Math.trunc((Math.SQRT2 - 1) * (1 << 15) + 0.5)

/**
 * Edges (Canny 1986) with |dx| + |dy| as their strength: 255 where a ridge of at least `low` hangs together with one
 * above `high`.
 */
export function canny(source: L8, low: number, high: number): L8 {
  const { width, height } = source
  const { dx, dy } = sobel(source, 'replicate')
  const strength = dx.map((x, i) => Math.abs(x) + Math.abs(dy[i]!))
  const at = (x: number, y: number) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : strength[y * width + x]!)
  const result = picture(1, width, height)
  const ridges = new Uint8Array(width * height)
  const open: number[] = []
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x
      const here = strength[i]!
      if (here <= low || !isRidge(dx[i]!, dy[i]!, here, x, y, at)) continue
      ridges[i] = 1
      if (here <= high) continue
      result.data[i] = 255
      open.push(i)
    }
  }
  while (open.length > 0) {
    const i = open.pop()!
    const [cx, cy] = [i % width, Math.floor(i / width)]
    for (let y = Math.max(0, cy - 1); y <= Math.min(height - 1, cy + 1); y++) {
      for (let x = Math.max(0, cx - 1); x <= Math.min(width - 1, cx + 1); x++) {
        const next = y * width + x
        if (ridges[next] === 0 || result.data[next] !== 0) continue
        result.data[next] = 255
        open.push(next)
      }
    }
  }
  return result
}

/** Whether a pixel is stronger than both neighbours across its edge; of two equals the first counts. */
function isRidge(
  dx: number,
  dy: number,
  here: number,
  x: number,
  y: number,
  at: (x: number, y: number) => number,
): boolean {
  const ax = Math.abs(dx)
  const ay = Math.abs(dy) * (1 << 15)
  const flat = ax * tan22
  if (ay < flat) return here > at(x - 1, y) && here >= at(x + 1, y)
  // tan 67.5° is tan 22.5° + 2.
  if (ay > flat + ax * (1 << 16)) return here > at(x, y - 1) && here >= at(x, y + 1)
  const slant = (dx ^ dy) < 0 ? -1 : 1
  return here > at(x - slant, y - 1) && here > at(x + slant, y + 1)
}
