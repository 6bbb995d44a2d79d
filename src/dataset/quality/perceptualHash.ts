import { toL } from '../../image/channels.ts'
import type { Picture } from '../../image/picture.ts'
import { resample } from '../../image/resample.ts'

const side = 32
const kept = 8

/** cos(π·k·(2n + 1)/64) for the eight lowest frequencies k. */
const cosines = Array.from({ length: kept }, (_, k) =>
  Float64Array.from({ length: side }, (_, n) => Math.cos((Math.PI * k * (2 * n + 1)) / (2 * side))),
)

/**
 * The 64-bit perceptual hash of a picture: of the 8 × 8 lowest frequencies of its 32 × 32 grey copy (a DCT), which are
 * above their median. The first row's first bit is the highest.
 */
export function perceptualHash(source: Picture): bigint {
  const { data } = resample(toL(source), side, side, 'lanczos')
  const columns = cosines.map((row) =>
    Array.from({ length: side }, (_, x) => row.reduce((sum, weight, y) => sum + weight * data[y * side + x]!, 0)),
  )
  const low = columns.flatMap((values) =>
    cosines.map((row) => row.reduce((sum, weight, x) => sum + weight * values[x]!, 0)),
  )
  const sorted = [...low].sort((a, b) => a - b)
  const median = (sorted[31]! + sorted[32]!) / 2
  return low.reduce((hash, value) => (hash << 1n) | (value > median ? 1n : 0n), 0n)
}

/** How many bits of two hashes differ, 0 to 64. */
export function hashDistance(a: bigint, b: bigint): number {
  let rest = a ^ b
  let count = 0
  for (; rest !== 0n; rest &= rest - 1n) count++
  return count
}
