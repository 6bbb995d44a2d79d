import type { Rgb8 } from './picture.ts'

/** How far two pictures are apart, in steps of 255. */
export interface Difference {
  readonly sameSize: boolean
  /** Largest difference of any channel of any pixel; 255 where the sizes differ. */
  readonly largest: number
  readonly mean: number
  /** Peak signal-to-noise ratio in decibels; infinite for equal pictures. */
  readonly psnr: number
}

/** Compares two pictures channel by channel. */
export function comparePictures(a: Rgb8, b: Rgb8): Difference {
  if (a.width !== b.width || a.height !== b.height) return { sameSize: false, largest: 255, mean: 255, psnr: 0 }
  let largest = 0
  let sum = 0
  let squares = 0
  for (const [i, value] of a.data.entries()) {
    const difference = Math.abs(value - b.data[i]!)
    largest = Math.max(largest, difference)
    sum += difference
    squares += difference * difference
  }
  const { length } = a.data
  return { sameSize: true, largest, mean: sum / length, psnr: 10 * Math.log10((255 * 255 * length) / squares) }
}
