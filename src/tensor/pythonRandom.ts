import { mt19937OfWords } from './mt19937.ts'

/** Draws as Python's `random.Random` of a seed makes them. */
export interface PythonRandom {
  /** Uniform in [0, 1) with 53 bits. */
  random(): number
  /** A whole number from 0 to below a bound. */
  below(bound: number): number
  choice<T>(from: readonly T[]): T
  /** A copy in another order. */
  shuffled<T>(items: readonly T[]): T[]
}

/** The numbers of `random.Random(seed)` for a whole seed from 0 on. */
export function pythonRandom(seed: number | bigint): PythonRandom {
  const next = mt19937OfWords(wordsOf(BigInt(seed)))
  const below = (bound: number): number => {
    const bits = 32 - Math.clz32(bound)
    for (;;) {
      const drawn = next() >>> (32 - bits)
      if (drawn < bound) return drawn
    }
  }
  return {
    random: () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) * 2 ** -53,
    below,
    choice: (from) => from[below(from.length)]!,
    shuffled(items) {
      const result = [...items]
      for (let i = result.length - 1; i > 0; i--) {
        const j = below(i + 1)
        ;[result[i], result[j]] = [result[j]!, result[i]!]
      }
      return result
    },
  }
}

/** 32-bit words of a number, the lowest first; at least one. */
export function wordsOf(value: bigint): number[] {
  const words = [Number(value & 0xffffffffn)]
  for (let rest = value >> 32n; rest > 0n; rest >>= 32n) words.push(Number(rest & 0xffffffffn))
  return words
}
