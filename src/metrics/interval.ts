import { drawsFor } from '../dataset/draws.ts'

/** A measured number and the range it lies in with a probability of 95 %. */
export interface Measured {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** Standard deviations to either side that 95 % of a normal distribution lie within. */
const reach = 1.959964

/** A share of `hits` in `trials` with Wilson's interval (1927), which is sound for few trials and shares near 0 and 1. */
export function shareOf(hits: number, trials: number): Measured {
  const value = hits / trials
  const z2 = reach ** 2
  const centre = (value + z2 / (2 * trials)) / (1 + z2 / trials)
  const spread = (reach * Math.sqrt((value * (1 - value)) / trials + z2 / (4 * trials ** 2))) / (1 + z2 / trials)
  return { value, low: Math.max(0, centre - spread), high: Math.min(1, centre + spread) }
}

/** The mean of independent numbers. */
export function meanOf(numbers: readonly number[]): Measured {
  const count = numbers.length
  const value = numbers.reduce((sum, x) => sum + x, 0) / count
  const variance = numbers.reduce((sum, x) => sum + (x - value) ** 2, 0) / Math.max(1, count - 1)
  return around(value, Math.sqrt(variance / count))
}

/**
 * What a statistic is of all samples, with an interval from what it is of halves of them: the variance of a statistic of
 * half of the samples around that of all is the variance of that of all around the truth.
 */
export function byHalves(
  counts: readonly number[],
  statistic: (samples: readonly (readonly number[])[]) => number,
): Measured {
  const rounds = 100
  const all = counts.map((count) => Array.from({ length: count }, (_, i) => i))
  const value = statistic(all)
  let squares = 0
  for (let round = 0; round < rounds; round++) {
    const halves = all.map((numbers, which) => halfOf(numbers, drawsFor(round, which).between))
    squares += (statistic(halves) - value) ** 2
  }
  return around(value, Math.sqrt(squares / rounds))
}

function halfOf(numbers: readonly number[], between: (from: number, to: number) => number): readonly number[] {
  const keyed = numbers.map((number) => [between(0, 1), number] as const).sort(([a], [b]) => a - b)
  return keyed.slice(0, Math.ceil(numbers.length / 2)).map(([, number]) => number)
}

function around(value: number, deviation: number): Measured {
  return { value, low: value - reach * deviation, high: value + reach * deviation }
}
