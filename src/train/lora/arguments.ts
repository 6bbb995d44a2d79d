import { StudioError } from '../../errors.ts'
import { nearestNames } from '../../text/nearestNames.ts'
import type { Given } from './given.ts'
import { type Arguments, type ParameterName, parameters } from './parameters.ts'
import { fromTrainingPage } from './trainingPage.ts'

export interface ReadArguments {
  readonly values: Arguments
  /** Which of them were given. */
  readonly given: ReadonlySet<ParameterName>
  /** What a person should know, such as parameters that have no effect. */
  readonly notes: readonly string[]
}

/**
 * The parameters of a training from a configuration's tables, which may be those of a training page, and from a command
 * line, which wins. A name that is none
 * is an error with the nearest one, as is a value of another kind.
 */
export function readArguments(config: ReadonlyMap<string, Given>, flags: ReadonlyMap<string, Given>): ReadArguments {
  const values: Record<string, unknown> = Object.fromEntries(
    Object.entries(parameters).map(([name, { fallback }]) => [name, fallback]),
  )
  const given = new Set<ParameterName>()
  const notes = new Map<string, string[]>()
  for (const [name, value] of [...fromTrainingPage(config), ...flags]) {
    const known = parameterNamed(name)
    if (value === '' && parameters[known].kind !== 'text') continue
    values[known] = readers[parameters[known].kind](known, value)
    given.add(known)
    const parameter = parameters[known]
    if ('inert' in parameter && parameter.inert !== undefined && value !== false) {
      notes.set(parameter.inert, [...(notes.get(parameter.inert) ?? []), known])
    }
  }
  return {
    values: values as Arguments,
    given,
    notes: [...notes].map(([reason, names]) => `${[...new Set(names)].join(', ')}: no effect; ${reason}`),
  }
}

/** Flags such as `--network_dim 8 --flip_aug --optimizer_args a=1 b=2`, by name. */
export function parseFlags(tokens: readonly string[]): ReadonlyMap<string, Given> {
  const flags = new Map<string, Given>()
  for (let i = 0; i < tokens.length; ) {
    const match = /^--([\w-]+)(?:=(.*))?$/s.exec(tokens[i]!)
    if (!match) {
      throw new StudioError('bad-request', `"${tokens[i]}": expected a parameter such as --network_dim 8`, {
        field: tokens[i]!,
      })
    }
    i++
    const name = match[1]!.replaceAll('-', '_')
    const words = match[2] === undefined ? [] : [match[2]]
    // What begins with one dash is a number below zero, two begin the next parameter.
    while (match[2] === undefined && i < tokens.length && !tokens[i]!.startsWith('--')) words.push(tokens[i++]!)
    flags.set(name, words.length === 0 ? true : words.length === 1 ? words[0]! : words)
  }
  return flags
}

function parameterNamed(name: string): ParameterName {
  if (Object.hasOwn(parameters, name)) return name as ParameterName
  const [nearest] = nearestNames(name, Object.keys(parameters))
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  throw new StudioError('unknown-name', `${name}: no such parameter${hint}`, { field: name })
}

type Reader = (name: string, value: Given) => unknown

const readers: Readonly<Record<(typeof parameters)[ParameterName]['kind'], Reader>> = {
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
