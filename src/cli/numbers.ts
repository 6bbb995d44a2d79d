import { InvalidArgumentError } from 'commander'

/** Parses a whole number for an option, or tells the user what was found. */
export function wholeNumber(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new InvalidArgumentError(`expected a whole number, found "${text}".`)
  return Number(text)
}

/** Parses a whole number from `least` on. */
export function atLeast(least: number): (text: string) => number {
  return (text) => {
    const count = wholeNumber(text)
    if (count < least) throw new InvalidArgumentError(`expected at least ${least}, found ${count}.`)
    return count
  }
}

/** Parses a decimal number for an option. */
export function decimal(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) throw new InvalidArgumentError(`expected a number, found "${text}".`)
  return value
}

/** A size written as `768x512`: width, then height. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** Parses `768x512`; one number alone is a square. */
export function size(text: string): Size {
  const match = /^(\d+)(?:[x×](\d+))?$/.exec(text)
  if (!match) throw new InvalidArgumentError(`expected WIDTHxHEIGHT such as 768x512, found "${text}".`)
  const width = Number(match[1])
  return { width, height: match[2] === undefined ? width : Number(match[2]) }
}

/** Collects a repeatable option. */
export function collect(text: string, list: readonly string[] = []): readonly string[] {
  return [...list, text]
}
