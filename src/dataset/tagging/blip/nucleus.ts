/** A token and how likely it is to be drawn. */
export interface Chance {
  readonly token: number
  readonly chance: number
}

/** Less likely tokens than these are never drawn: what Transformers keeps unless told otherwise, and BLIP never told. */
const kept = 50

/**
 * The likeliest tokens that together have the chance `topP`, at least one, with chances that sum to one; the likeliest
 * first (Holtzman et al. 2020).
 */
export function nucleus(scores: Float32Array, topP: number): readonly Chance[] {
  const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, kept)
  const weights = best.map((token) => Math.exp(scores[token]! - scores[best[0]!]!))
  const all = sum(weights)
  // A token goes where it and all that are less likely have no more than the rest of the chances.
  let below = all
  const taken = best.filter((_, i) => {
    const isIn = i === 0 || below > (1 - topP) * all
    below -= weights[i]!
    return isIn
  })
  const inside = sum(weights.slice(0, taken.length))
  return taken.map((token, i) => ({ token, chance: weights[i]! / inside }))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
