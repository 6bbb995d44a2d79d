import { StudioError } from '../errors.ts'
import { nearestNames } from '../text/nearestNames.ts'
import type { Given } from './given.ts'

type Kind = 'text' | 'number' | 'whole' | 'flag' | 'list'

/** A parameter of a training: how its value is read, what it is unless given, and why it may have no effect here. */
export interface Parameter<Is extends Kind = Kind, Fallback = unknown> {
  readonly kind: Is
  readonly fallback: Fallback
  /** Set where the parameter is accepted and changes nothing: the reason, which is told once. */
  readonly inert?: string
}

/**
 * The values of a table of parameters, of which later ones win. A name that is none is an error with the nearest one, as
 * is a value of another kind; parameters without effect are told in notes.
 */
export function readParameters<Table extends Readonly<Record<string, Parameter>>>(
  table: Table,
  entries: Iterable<readonly [string, Given]>,
): {
  readonly values: Readonly<Record<keyof Table, unknown>>
  readonly given: ReadonlySet<keyof Table>
  readonly notes: readonly string[]
} {
  const values = Object.fromEntries(Object.entries(table).map(([name, { fallback }]) => [name, fallback]))
  const given = new Set<string>()
  const notes = new Map<string, string[]>()
  for (const [name, value] of entries) {
    const parameter = Object.hasOwn(table, name) ? table[name] : undefined
    if (!parameter) throw unknownParameter(name, Object.keys(table))
    const { kind, inert } = parameter
    if (value === '' && kind !== 'text') continue
    values[name] = readers[kind](name, value)
    given.add(name)
    if (inert !== undefined && value !== false) notes.set(inert, [...(notes.get(inert) ?? []), name])
  }
  return {
    values: values as Record<keyof Table, unknown>,
    given,
    notes: [...notes].map(([reason, names]) => `${[...new Set(names)].join(', ')}: no effect; ${reason}`),
  }
}

function unknownParameter(name: string, known: readonly string[]): StudioError {
  const [nearest] = nearestNames(name, known)
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return new StudioError('unknown-name', `${name}: no such parameter${hint}`, { field: name })
}

type Reader = (name: string, value: Given) => unknown

const readers: Readonly<Record<Kind, Reader>> = {
  flag: (name, value) => {
    if (typeof value === 'boolean') return value
    if (typeof value === 'string' && /^(true|false)$/i.test(value)) return value.toLowerCase() === 'true'
    throw wrong(name, value, 'true or false')
  },
  number: (name, value) => numberOf(name, value),
  whole: (name, value) => {
    const number = numberOf(name, value)
    if (!Number.isSafeInteger(number)) throw wrong(name, value, 'a whole number')
    return number
  },
  text: (name, value) => {
    if (Array.isArray(value)) return value.map((item) => textOf(name, item)).join(',')
    return textOf(name, value)
  },
  list: (name, value) => {
    const items = Array.isArray(value) ? value : textOf(name, value as Given).split('\n')
    return items.map((item: Given) => textOf(name, item).trim()).filter((item: string) => item !== '')
  },
}

/** Configurations written by training pages hold numbers as text. */
function numberOf(name: string, value: Given): number {
  const number =
    typeof value === 'string' && value.trim() !== ''
      ? Number(value)
      : typeof value === 'boolean'
        ? Number.NaN
        : Number(value)
  const isOne = typeof value !== 'string' || value.trim() !== ''
  if (!isOne || !Number.isFinite(number) || Array.isArray(value)) throw wrong(name, value, 'a number')
  return number
}

function textOf(name: string, value: Given): string {
  if (typeof value === 'boolean' || typeof value === 'object') throw wrong(name, value, 'text')
  return `${value}`
}

function wrong(name: string, value: Given, expected: string): StudioError {
  const found = value === true ? 'nothing' : `"${value}"`
  return new StudioError('bad-request', `${name}: found ${found}, expected ${expected}`, { field: name })
}
