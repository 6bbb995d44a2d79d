/** Repeated measurements of one thing. */
export interface Stats {
  readonly min: number
  readonly median: number
  readonly max: number
  readonly values: readonly number[]
}

export function statsOf(values: readonly number[]): Stats {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { min: sorted[0]!, median, max: sorted.at(-1)!, values }
}

/** `6.41 / 6.44 / 6.50`: minimum, median and maximum. */
export function statsText({ min, median, max }: Stats, digits = 2): string {
  return [min, median, max].map((value) => value.toFixed(digits)).join(' / ')
}
