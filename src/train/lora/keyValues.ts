import { StudioError } from '../../errors.ts'

/** A value of `key=value` arguments: what Python's literals are here. */
type Literal = string | number | boolean | null | readonly Literal[]

/** Arguments such as `weight_decay=0.1` and `betas=(0.9, 0.99)`, by key. */
function keyValues(field: string, args: readonly string[]): ReadonlyMap<string, Literal> {
  return new Map(
    args.map((arg) => {
      const equals = arg.indexOf('=')
      if (equals < 1) throw new StudioError('bad-request', `${field}: found "${arg}", expected key=value`, { field })
      return [arg.slice(0, equals).trim(), literalOf(arg.slice(equals + 1).trim())]
    }),
  )
}

function literalOf(text: string): Literal {
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  if (/^none$/i.test(text)) return null
  const quoted = /^(["'])(.*)\1$/s.exec(text)
  if (quoted) return quoted[2]!
  const list = /^[([](.*)[)\]]$/s.exec(text)?.[1] ?? (text.includes(',') ? text : undefined)
  if (list !== undefined) {
    return list
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map(literalOf)
  }
  const number = Number(text)
  return text !== '' && Number.isFinite(number) ? number : text
}

/** Takes values out of `key=value` arguments by kind, so that what nobody asked for can be named. */
export class Taken {
  readonly #field: string
  readonly #left: Map<string, Literal>

  constructor(field: string, args: readonly string[]) {
    this.#field = field
    this.#left = new Map(keyValues(field, args))
  }

  has(key: string): boolean {
    return this.#left.has(key)
  }

  number(key: string): number | undefined {
    const value = this.#take(key)
    if (value === undefined || typeof value === 'number') return value
    throw this.#wrong(key, value, 'a number')
  }

  boolean(key: string): boolean | undefined {
    const value = this.#take(key)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#wrong(key, value, 'True or False')
  }

  text(key: string): string | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    return Array.isArray(value) ? value.join(',') : `${value}`
  }

  numbers(key: string): readonly number[] | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    const numbers = [value].flat().map((item) => (typeof item === 'number' ? item : Number.NaN))
    if (numbers.some(Number.isNaN)) throw this.#wrong(key, value, 'numbers')
    return numbers
  }

  /** What is left is an error, unless it is of these, which have no effect; tells which those are. */
  finish(inert: readonly string[] = []): readonly string[] {
    const unknown = [...this.#left.keys()].find((key) => !inert.includes(key))
    if (unknown !== undefined) {
      throw new StudioError('unknown-name', `${this.#field}: no argument is called ${unknown} here`, {
        field: this.#field,
      })
    }
    return [...this.#left.keys()]
  }

  #take(key: string): Literal | undefined {
    const value = this.#left.get(key)
    this.#left.delete(key)
    return value === null ? undefined : value
  }

  #wrong(key: string, value: Literal, expected: string): StudioError {
    return new StudioError('bad-request', `${this.#field}: ${key} is ${value}, expected ${expected}`, {
      field: this.#field,
    })
  }
}
