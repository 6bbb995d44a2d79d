import { seedWords } from './seedSequence.ts'

const mask128 = (1n << 128n) - 1n
const mask64 = (1n << 64n) - 1n
const multiplier = 0x2360ed051fc65da44385df649fccf645n

/**
 * Uniform numbers in [0, 1) as NumPy's `default_rng(seed)` draws them: PCG64 (O'Neill 2014, XSL-RR 128/64), the upper 53
 * bits of each output.
 */
export function pcg64(seed: number): () => number {
  const words = seedWords(BigInt(seed), 8, { poolSize: 4 }).map(BigInt)
  const wide = (i: number) => (words[i + 1]! << 32n) | words[i]!
  const start = (wide(0) << 64n) | wide(2)
  const increment = ((((wide(4) << 64n) | wide(6)) << 1n) | 1n) & mask128
  let state = 0n
  const step = () => {
    state = (state * multiplier + increment) & mask128
  }
  step()
  state = (state + start) & mask128
  step()
  return () => {
    step()
    const folded = (state >> 64n) ^ (state & mask64)
    const turn = state >> 122n
    const output = ((folded >> turn) | (folded << (64n - turn))) & mask64
    return Number(output >> 11n) * 2 ** -53
  }
}
