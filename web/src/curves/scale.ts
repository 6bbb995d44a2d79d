/** A number line: where a value lies between 0 and 1, and the values that are written beside it. */
export interface Scale {
  at(value: number): number
  readonly ticks: readonly number[]
}

const wantedTicks = 5

/** A linear scale over values, with round ticks; one of a single value has some room around it. */
export function linearScale(values: readonly number[]): Scale {
  let [low, high] = extent(values)
  if (low === high) [low, high] = [low - Math.max(1e-9, Math.abs(low) / 10), high + Math.max(1e-9, Math.abs(high) / 10)]
  const step = roundStep((high - low) / wantedTicks)
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step)
  return { at: (value) => (value - low) / (high - low), ticks }
}

/** A logarithmic scale over the positive ones among values, with ticks at powers of ten, or 1, 2, 5 within few of them. */
export function logScale(values: readonly number[]): Scale {
  const logs = values.filter((value) => value > 0).map(Math.log10)
  const inner = linearScale(logs.length > 0 ? logs : [0, 1])
  const [low, high] = logs.length > 0 ? extent(logs) : [0, 1]
  const digits = high - low > 2 ? [1] : [1, 2, 5]
  const ticks: number[] = []
  for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
    for (const digit of digits) {
      const value = digit * 10 ** power
      const at = inner.at(Math.log10(value))
      if (at >= 0 && at <= 1) ticks.push(value)
    }
  }
  return { at: (value) => (value > 0 ? inner.at(Math.log10(value)) : Number.NaN), ticks }
}

/** 1, 2 or 5 times a power of ten, not below a number. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least * (1 - 1e-9)) ?? 10 * power
}

function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return low <= high ? [low, high] : [0, 1]
}

/** A number as an axis writes it: short. */
export function shortNumber(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e5 || size < 1e-3) return String(Number(value.toPrecision(2)).toExponential())
  return String(Number(value.toPrecision(4)))
}
