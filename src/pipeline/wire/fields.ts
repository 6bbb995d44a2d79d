import { z } from 'zod'
import { StudioError } from '../../errors.ts'

/**
 * Field types of the A1111 wire. Clients of twenty languages send "7" for 7 and 1 for true, and the reference
 * takes them, so these do as well; what is not a number at all is refused by name.
 */

const truths = new Map<unknown, boolean>(
  (['1', 'on', 't', 'true', 'y', 'yes'] as const)
    .map((word): [unknown, boolean] => [word, true])
    .concat((['0', 'off', 'f', 'false', 'n', 'no'] as const).map((word): [unknown, boolean] => [word, false]))
    .concat([
      [1, true],
      [0, false],
    ]),
)

function toNumber(value: unknown): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)) return Number(value)
  return value
}

function toInteger(value: unknown): unknown {
  if (typeof value === 'string' && !/^\s*[+-]?\d+\s*$/.test(value)) return value
  const number = toNumber(value)
  return typeof number === 'number' && Number.isFinite(number) ? Math.trunc(number) : number
}

function toBoolean(value: unknown): unknown {
  return truths.get(typeof value === 'string' ? value.toLowerCase() : value) ?? value
}

/** A number with limits, both inclusive. */
export function number(min: number, max: number) {
  return z.preprocess(toNumber, z.number().min(min).max(max))
}

/** A whole number with limits, both inclusive; a fraction is cut off. */
export function integer(min: number, max: number) {
  return z.preprocess(toInteger, z.number().int().min(min).max(max))
}

export const boolean = z.preprocess(toBoolean, z.boolean())

/** Text of bounded length. */
export function text(maxLength = 100_000) {
  return z.preprocess((value) => (typeof value === 'number' ? String(value) : value), z.string().max(maxLength))
}

/** One of a few words. */
export function oneOf<const T extends readonly string[]>(...words: T) {
  return z.enum(words)
}

/** The value that holds where a field is missing or null. */
export function withDefault<T extends z.ZodType>(type: T, value: z.output<T>) {
  return z.preprocess((given) => given ?? value, type)
}

/** A field whose absence means "as the options say" and is told apart from every value. */
export function optional<T extends z.ZodType>(type: T) {
  return z.preprocess((given) => (given === null ? undefined : given), type.optional()).optional()
}

/** Checks outside data against a schema; the error names the field, what was found and what was expected. */
export function parseFields<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  const field = [where, ...issue.path.map(String)].filter((part) => part !== '').join('.')
  const found = issue.input === undefined ? '' : `, found ${shorten(issue.input)}`
  throw new StudioError('bad-request', `${field === '' ? 'the request' : field}: ${issue.message}${found}`, { field })
}

function shorten(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value)
  return shown.length <= 60 ? shown : `${shown.slice(0, 57)}...`
}
