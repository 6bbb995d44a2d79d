import type { Rgb8 } from '../image/picture.ts'
import { resample } from '../image/resample.ts'

/** Side at which pictures are compared: details that differ in every rendering of the same drawing do not count. */
const comparedSide = 32

/** A picture this near to a drawing that was trained on, of 0 to 1, is called a copy of it. */
export const copyDifference = 0.05

/** For each picture, the root mean square difference, in shares of the full range, from the nearest of others. */
export function nearestDifferences(pictures: readonly Rgb8[], others: Iterable<Rgb8>): readonly number[] {
  const small = pictures.map(reduced)
  const nearest = new Float64Array(pictures.length).fill(Number.POSITIVE_INFINITY)
  for (const other of others) {
    const its = reduced(other)
    for (const [i, own] of small.entries()) nearest[i] = Math.min(nearest[i]!, squareSum(own, its, nearest[i]!))
  }
  return Array.from(nearest, (sum) => Math.sqrt(sum / (3 * comparedSide ** 2)) / 255)
}

function reduced(source: Rgb8): Uint8Array {
  return resample(source, comparedSide, comparedSide, 'box').data
}

/** The sum of squares, or whatever it has reached when it is more than `most`. */
function squareSum(a: Uint8Array, b: Uint8Array, most: number): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    sum += (a[i]! - b[i]!) ** 2
    if (sum > most) return sum
  }
  return sum
}
