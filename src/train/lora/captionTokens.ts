import { parseEmphasis } from '../../text/emphasis.ts'
import { bos, eos, type Tokenizer, type TokenizerKind } from '../../text/tokenizer.ts'

export interface CaptionTokens {
  /** 77 for each chunk. */
  readonly tokens: readonly number[]
  /** A weight for each of the 75·chunks + 2 states. */
  readonly weights: Float32Array
}

/** A caption as kohya's trainer cuts it: filled up or cut off at 75 tokens a chunk, each chunk begun and ended anew. */
export function captionTokens(
  text: string,
  {
    tokenizer,
    kind,
    chunks,
    isWeighted,
  }: { tokenizer: Tokenizer; kind: TokenizerKind; chunks: number; isWeighted: boolean },
): CaptionTokens {
  const length = 75 * chunks
  const pieces = isWeighted ? parseEmphasis(text, 'Original') : [{ text, weight: 1 }]
  const words = pieces.flatMap(({ text: piece, weight }) => tokenizer.encode(piece).map((token) => ({ token, weight })))
  const kept = words.slice(0, length)
  const fill = kind === 'clip' ? eos : 0
  const weights = new Float32Array(length + 2).fill(1)
  for (const [i, { weight }] of kept.entries()) weights[i + 1] = weight
  const tokens = Array.from({ length: chunks }, (_, chunk) => {
    const own = kept.slice(75 * chunk, 75 * chunk + 75).map(({ token }) => token)
    const rest = new Array<number>(75 - own.length).fill(fill)
    // A text that ends within its chunk is followed by the end of text; what else fills the chunk depends on the encoder.
    if (rest.length > 0) rest[0] = eos
    return [bos, ...own, ...rest, rest.length > 0 ? fill : eos]
  })
  return { tokens: tokens.flat(), weights }
}
