import { bos, eos, type Tokenizer } from '../text/tokenizer.ts'

/** The tokens of CLIP's vocabulary that captions may consist of, ascending. */
export function tokensOf(words: Iterable<string>, tokenizer: Tokenizer): readonly number[] {
  const tokens = new Set([bos, eos])
  for (const word of words) for (const token of tokenizer.encode(word)) tokens.add(token)
  return [...tokens].sort((a, b) => a - b)
}

/** Captions as a text encoder in training reads them, `window` numbers each. */
export interface TokenizedCaptions {
  /** Places in the vocabulary [captions, window]. */
  readonly tokens: BigInt64Array
  /** 1 at the first end of each caption [captions, window]. */
  readonly ends: Float32Array
}

/** Reads captions; tokens that are not in the vocabulary are left out, and what is too long is cut. */
export function captionReader(vocabulary: readonly number[], window: number, tokenizer: Tokenizer) {
  const places = new Map(vocabulary.map((token, place) => [token, place]))
  return (captions: readonly string[]): TokenizedCaptions => {
    const tokens = new BigInt64Array(captions.length * window).fill(BigInt(places.get(eos)!))
    const ends = new Float32Array(captions.length * window)
    for (const [row, caption] of captions.entries()) {
      const read = tokenizer.encode(caption).flatMap((token) => places.get(token) ?? [])
      const all = [places.get(bos)!, ...read.slice(0, window - 2)]
      for (const [at, place] of all.entries()) tokens[row * window + at] = BigInt(place)
      ends[row * window + all.length] = 1
    }
    return { tokens, ends }
  }
}
