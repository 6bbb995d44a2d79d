import { mt19937 } from '../tensor/mt19937.ts'

/** Random choices, one after the other from one stream. */
export interface Draws {
  /** Uniform in [from, to). */
  between(from: number, to: number): number
  /** A whole number from 0 to below. */
  below(count: number): number
  /** Whether something of this probability happens. */
  chance(probability: number): boolean
  pick<T>(choices: readonly T[]): T
}

/** The choices that belong to a key, such as a seed, a step and a place in a batch: the same whenever asked for. */
export function drawsFor(...key: readonly number[]): Draws {
  const next = mt19937(hashOf(key.join(' ')))
  const unit = () => next() * 2 ** -32
  const below = (count: number) => Math.floor(unit() * count)
  return {
    between: (from, to) => from + (to - from) * unit(),
    below,
    chance: (probability) => unit() < probability,
    pick: (choices) => choices[below(choices.length)]!,
  }
}

/** FNV-1a of a text, mixed once more so that its low bits depend on all of it. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
