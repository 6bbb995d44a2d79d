/** A point of a curve. */
export interface Point {
  readonly step: number
  /** Seconds since 1970. */
  readonly wallTime: number
  readonly value: number
}

/**
 * The exponential moving average of a curve, freed of the zero it begins with as Adam's moments are (Kingma and Ba 2015,
 * section 3): at weight 0 the curve itself. What is no finite number changes nothing and stays.
 */
export function smoothed(points: readonly Point[], weight: number): readonly Point[] {
  let [sum, count] = [0, 0]
  return points.map((point) => {
    if (!Number.isFinite(point.value)) return point
    count++
    sum = sum * weight + (1 - weight) * point.value
    return { ...point, value: sum / (1 - weight ** count) }
  })
}
