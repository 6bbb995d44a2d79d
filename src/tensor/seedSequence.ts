import { wordsOf } from './pythonRandom.ts'

/** What may differ between seed sequences: the words of their pool, and the path of a spawned child. */
interface SeedOptions {
  readonly poolSize: number
  readonly spawnKey?: readonly number[]
}

/** The first word of a `seedWords` with a pool of 24, as torchsde makes them. */
export function seedSequence(entropy: bigint, spawnKey: readonly number[] = []): number {
  return seedWords(entropy, 1, { poolSize: 24, spawnKey })[0]!
}

/**
 * NumPy's SeedSequence (O'Neill's seed_seq, improved): the words that an entropy and the path of a spawned child are
 * hashed to. Entropy and path hold integers from 0 on.
 */
export function seedWords(entropy: bigint, count: number, { poolSize, spawnKey = [] }: SeedOptions): number[] {
  const words = wordsOf(entropy)
  if (spawnKey.length > 0) {
    while (words.length < poolSize) words.push(0)
    for (const key of spawnKey) words.push(...wordsOf(BigInt(key)))
  }

  let hashConstant = 0x43b0d7e5
  const hash = (word: number): number => {
    const mixed = word ^ hashConstant
    hashConstant = Math.imul(hashConstant, 0x931e8875)
    return fold(Math.imul(mixed, hashConstant))
  }

  const pool = Array.from({ length: poolSize }, (_, i) => hash(words[i] ?? 0))
  for (let from = 0; from < poolSize; from++) {
    for (let to = 0; to < poolSize; to++) {
      if (from !== to) pool[to] = mix(pool[to]!, hash(pool[from]!))
    }
  }
  for (const word of words.slice(poolSize)) {
    for (let to = 0; to < poolSize; to++) pool[to] = mix(pool[to]!, hash(word))
  }
  let constant = 0x8b51f9dd
  return Array.from({ length: count }, (_, i) => {
    const word = pool[i % poolSize]! ^ constant
    constant = Math.imul(constant, 0x58f38ded)
    return fold(Math.imul(word, constant)) >>> 0
  })
}

function mix(x: number, y: number): number {
  return fold(Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y))
}

function fold(word: number): number {
  return word ^ (word >>> 16)
}
