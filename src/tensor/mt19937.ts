const size = 624
const shift = 397

/**
 * Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), seeded as `init_genrand` does: a function that returns
 * the next 32-bit number each time it is called.
 */
export function mt19937(seed: number): () => number {
  const state = new Uint32Array(size)
  state[0] = seed
  for (let i = 1; i < size; i++) {
    const before = state[i - 1]!
    state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i
  }
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
