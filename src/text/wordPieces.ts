import { spaceClass } from './characters.ts'

/** Text to the tokens of a BERT vocabulary without capitals, and back (Wu et al. 2016, "WordPiece"). */
export interface WordPieces {
  /** How many pieces the vocabulary lists. */
  readonly size: number
  /** Tokens of a text, none added before or after. */
  encode(text: string): number[]
  /** The text of tokens, spaced as in English; what is in brackets, such as `[SEP]`, or beyond the list is left out. */
  decode(tokens: readonly number[]): string
  /** The place of a piece in the list. */
  tokenOf(piece: string): number | undefined
}

/** Longer words are not looked up. */
const longestWord = 100

/** A tokenizer over pieces in the order of their tokens; one that continues a word begins with `##`. */
export function createWordPieces(pieces: readonly string[]): WordPieces {
  const tokens = new Map(pieces.map((piece, token) => [piece, token]))
  const unknown = tokens.get('[UNK]') ?? 0

  /** The longest piece the word begins with, then the longest of the rest: greedy, unknown if one step fails. */
  const encodeWord = (word: string): number[] => {
    const letters = [...word]
    if (letters.length > longestWord) return [unknown]
    const found: number[] = []
    for (let start = 0; start < letters.length; ) {
      let end = letters.length
      let token: number | undefined
      while (end > start) {
        token = tokens.get((start > 0 ? '##' : '') + letters.slice(start, end).join(''))
        if (token !== undefined) break
        end--
      }
      if (token === undefined) return [unknown]
      found.push(token)
      start = end
    }
    return found
  }

  return {
    size: pieces.length,
    encode: (text) => wordsOf(text).flatMap(encodeWord),
    decode(sentence) {
      const read = sentence.flatMap((token) => pieces[token] ?? []).filter((piece) => !isBracketed.test(piece))
      return closeUp(read.join(' ').replaceAll(' ##', ''))
    },
    tokenOf: (piece) => tokens.get(piece),
  }
}

const isBracketed = /^\[.+\]$/
const hidden = /[\p{C}\ufffd]/gu
const space = new RegExp(`[${spaceClass}]+`, 'gu')
/** Characters that are a word each: signs (all of ASCII's that are no letter or digit), and Chinese ones. */
const single =
  /[!-/:-@[-`{-~\p{P}\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{f900}-\u{faff}\u{2f800}-\u{2fa1f}]/gu

/** Words in small letters without accents. */
function wordsOf(text: string): string[] {
  return text
    .replace(space, ' ')
    .replace(hidden, '')
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
    .toLowerCase()
    .replace(single, ' $& ')
    .split(' ')
    .filter((word) => word !== '')
}

/** Takes away the spaces between words and the signs that belong to them, in this order. */
function closeUp(text: string): string {
  const shortened = text.replace(/ ([.?!,])/g, '$1').replaceAll(" ' ", "'")
  return shortened.replace(/ (n't|'m|'s|'ve|'re)/g, '$1').trim()
}
