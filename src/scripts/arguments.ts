import { z } from 'zod'
import { StudioError } from '../errors.ts'
import { boolean, integer, number, parseFields, text } from '../pipeline/wire/fields.ts'

/** What A1111's `script-info` tells of one argument of a script. */
export interface ArgumentInfo {
  readonly label: string
  readonly value: unknown
  readonly minimum: number | null
  readonly maximum: number | null
  readonly step: number | null
  readonly choices: readonly string[] | null
}

/** One positional argument of a script: how it is described, and how what a client sends is read. */
export interface Argument<T> {
  readonly info: ArgumentInfo
  readonly read: (given: unknown, field: string) => T
}

/** The values of a list of arguments. */
export type ArgumentValues<A extends readonly Argument<unknown>[]> = {
  -readonly [K in keyof A]: A[K] extends Argument<infer T> ? T : never
}

const plain = { minimum: null, maximum: null, step: null, choices: null } as const

function argument<T>(info: ArgumentInfo, type: z.ZodType<T>): Argument<T> {
  return { info, read: (given, field) => parseFields(type, given ?? info.value, field) }
}

export function checkbox(label: string, value: boolean): Argument<boolean> {
  return argument({ label, value, ...plain }, boolean)
}

export function textbox(label: string): Argument<string> {
  return argument({ label, value: '', ...plain }, text())
}

/** Words on the page that take a place among the arguments. */
export function remark(html: string): Argument<undefined> {
  return { info: { label: '', value: html, ...plain }, read: () => undefined }
}

/** Where a slider begins and ends on the page, and how far clients may go. */
interface Span {
  readonly from: number
  readonly to: number
  readonly step: number
  /** The largest value taken; requests may go further than the page. */
  readonly limit?: number
}

export function slider(label: string, value: number, { from, to, step, limit = to }: Span): Argument<number> {
  const info = { label, value, minimum: from, maximum: to, step, choices: null }
  return argument(info, number(Math.min(from, 0), limit))
}

export function wholeSlider(label: string, value: number, { from, to, step, limit = to }: Span): Argument<number> {
  const info = { label, value, minimum: from, maximum: to, step, choices: null }
  return argument(info, integer(Math.min(from, 0), limit))
}

/** One of a few words, or its position among them. */
export function choice<const C extends readonly string[]>(
  label: string,
  choices: C,
  value: C[number],
): Argument<C[number]> {
  return {
    info: { label, value, ...plain, choices },
    read: (given, field) => chosen(given ?? value, choices, field),
  }
}

/** A word of a list, given itself, without regard to case, or by position. */
export function chosen<T extends string>(given: unknown, choices: readonly T[], field: string): T {
  const byWord =
    typeof given === 'string' ? choices.find((each) => each.toLowerCase() === given.toLowerCase()) : undefined
  const position = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given
  const found = byWord ?? (typeof position === 'number' ? choices[position] : undefined)
  if (found !== undefined) return found
  const shown = choices.slice(0, 60).join(', ')
  throw new StudioError('bad-request', `${field}: found ${JSON.stringify(given)}, expected one of ${shown}`, { field })
}

/** Any number of a few words. */
export function choices<const C extends readonly string[]>(label: string, all: C): Argument<C[number][]> {
  return {
    info: { label, value: all, ...plain, choices: all },
    read: (given, field) =>
      parseFields(z.array(z.unknown()).max(100), given ?? all, field).map((each, i) =>
        chosen(each, all, `${field}.${i}`),
      ),
  }
}

/** A list of texts that a page offers; over the wire it may hold any. */
export function texts(label: string): Argument<string[]> {
  const type = z.preprocess((given) => (given === '' ? [] : given), z.array(text()).max(10_000))
  return {
    info: { label, value: null, ...plain, choices: [] },
    read: (given, field) => parseFields(type, given ?? [], field),
  }
}

/** The arguments of a script from what a request lists; those missing are as on the page, further ones are ignored. */
export function readArguments<const A extends readonly Argument<unknown>[]>(
  given: readonly unknown[],
  args: A,
): ArgumentValues<A> {
  return args.map((each, i) => each.read(given[i], `script_args.${i}`)) as ArgumentValues<A>
}
