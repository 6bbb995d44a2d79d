const size = 624
const shift = 397

/**
 * Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded as `init_genrand` does: a function that returns
 * the next 32-bit number each time it is called.
 */
export function mt19937(seed: number): () => number {
  return numbersFrom(seeded(seed))
}

/** The same generator seeded by several words, as `init_by_array` does. */
export function mt19937OfWords(words: readonly number[]): () => number {
  const state = seeded(19650218)
  const mixed = (i: number, factor: number) => {
    const before = state[i - 1]!
    return state[i]! ^ Math.imul(before ^ (before >>> 30), factor)
  }
  let i = 1
  const advance = () => {
    i++
    if (i < size) return
    state[0] = state[size - 1]!
    i = 1
  }
  for (let k = 0; k < Math.max(size, words.length); k++) {
    const j = k % words.length
    state[i] = mixed(i, 1664525) + words[j]! + j
    advance()
  }
  for (let k = 1; k < size; k++) {
    state[i] = mixed(i, 1566083941) - i
    advance()
  }
  state[0] = 0x80000000
  return numbersFrom(state)
}

function seeded(seed: number): Uint32Array {
  const state = new Uint32Array(size)
  state[0] = seed
  for (let i = 1; i < size; i++) {
    const before = state[i - 1]!
    state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i
  }
  return state
}

function numbersFrom(state: Uint32Array): () => number {
  let at = size

  return () => {
    if (at === size) {
      twist(state)
      at = 0
    }
    let y = state[at++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < size; i++) {
    const y = (state[i]! & 0x80000000) | (state[i + 1 < size ? i + 1 : 0]! & 0x7fffffff)
    const ahead = state[i + shift < size ? i + shift : i + shift - size]!
    state[i] = ahead ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
  }
}
