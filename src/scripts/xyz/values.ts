import { StudioError } from '../../errors.ts'
import { formatCsv, parseCsv } from '../../text/csv.ts'

/** What an axis counts in. */
export type ValueKind = 'int' | 'float' | 'text' | 'permutation'

/** More cells than anyone looks at. */
const mostValues = 10_000

const int = String.raw`([+-]?\s*\d+)`
const float = String.raw`([+-]?\s*\d+(?:\.\d*)?)`
const intRange = new RegExp(String.raw`^\s*${int}\s*-\s*${int}(?:\s*\(([+-]\d+)\s*\))?\s*$`)
const intCount = new RegExp(String.raw`^\s*${int}\s*-\s*${int}(?:\s*\[(\d+)\s*\])?\s*$`)
const floatRange = new RegExp(String.raw`^\s*${float}\s*-\s*${float}(?:\s*\(([+-]\d+(?:\.\d*)?)\s*\))?\s*$`)
const floatCount = new RegExp(String.raw`^\s*${float}\s*-\s*${float}(?:\s*\[(\d+(?:\.\d*)?)\s*\])?\s*$`)

/** Texts separated by commas, quoted where they hold some, each without outer space. */
export function splitValues(text: string): string[] {
  // Space before a quote would make the quote a part of the text.
  const rows = parseCsv(text.replace(/("(?:[^"]|"")*")|,[ \t]+/g, (_, quoted?: string) => quoted ?? ','))
  return rows.flat().map((value) => value.trim())
}

/** The same back: what infotexts tell of a list that was chosen. */
export function joinValues(values: readonly string[]): string {
  return formatCsv([values]).replace(/\r?\n$/, '')
}

/**
 * The values of an axis from the texts given for it. Numbers may be ranges: `1-5`, `1-10 (+2)` by steps, `1-10 [4]` by
 * count.
 */
export function axisValues(texts: readonly string[], kind: ValueKind, field: string): (number | string | string[])[] {
  if (kind === 'text') return [...texts]
  if (kind === 'permutation') return permutations(texts, field)
  const numbers = texts.flatMap((text) => (text.trim() === '' ? [] : numbersOf(text, kind, field)))
  return limited(numbers, field)
}

function numbersOf(text: string, kind: 'int' | 'float', field: string): number[] {
  const isInt = kind === 'int'
  const range = (isInt ? intRange : floatRange).exec(text)
  if (range) {
    const [from, to] = [numeral(range[1]!), numeral(range[2]!)]
    const step = range[3] === undefined ? 1 : numeral(range[3])
    return steps(from, isInt ? to + 1 : to + step, step, field)
  }
  const counted = (isInt ? intCount : floatCount).exec(text)
  if (counted) {
    const count = counted[3] === undefined ? 1 : Math.trunc(Number(counted[3]))
    const all = evenly(numeral(counted[1]!), numeral(counted[2]!), limitedCount(count, field))
    return isInt ? all.map(Math.trunc) : all
  }
  const value = numeral(text)
  if (text.trim() === '' || Number.isNaN(value) || (isInt && !Number.isInteger(value))) {
    const wanted = isInt ? 'whole numbers, 1-5, 1-10 (+2) or 1-10 [4]' : 'numbers, 1-5, 1-2 (+0.25) or 0-1 [5]'
    throw new StudioError('bad-request', `${field}: found "${text}", expected ${wanted}`, { field })
  }
  return [value]
}

function numeral(text: string): number {
  return Number(text.replace(/\s+/g, '').replace(/^\+/, ''))
}

/** From `from`, short of `end`, by steps of `step`: as many as ⌈(end − from)/step⌉. */
function steps(from: number, end: number, step: number, field: string): number[] {
  if (step === 0) throw new StudioError('bad-request', `${field}: a range cannot go by steps of 0`, { field })
  const count = limitedCount(Math.max(0, Math.ceil((end - from) / step)), field)
  return Array.from({ length: count }, (_, i) => from + i * step)
}

/** `count` numbers from one end to the other. */
function evenly(from: number, to: number, count: number): number[] {
  if (count === 1) return [from]
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? to : from + i * ((to - from) / (count - 1))))
}

/** Every order of the texts, in the order that Python lists them. */
function permutations(texts: readonly string[], field: string): string[][] {
  let count = 1
  for (let n = 2; n <= texts.length; n++) count *= n
  limitedCount(count, field)
  if (texts.length <= 1) return [[...texts]]
  return texts.flatMap((first, i) =>
    permutations([...texts.slice(0, i), ...texts.slice(i + 1)], field).map((rest) => [first, ...rest]),
  )
}

function limited<T>(values: T[], field: string): T[] {
  limitedCount(values.length, field)
  return values
}

function limitedCount(count: number, field: string): number {
  if (count <= mostValues) return count
  throw new StudioError('too-large', `${field}: ${count} values, expected at most ${mostValues}`, { field })
}
