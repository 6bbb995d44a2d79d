import { mergeBytePairs } from './bytePairs.ts'
import { spaceClass, strip } from './characters.ts'
import { fixText } from './fixText.ts'
import { unescapeHtml } from './html.ts'
import { byteOrder, firstMerge, readMerges } from './merges.ts'

/** Whose reading of text into CLIP's one vocabulary: transformers' (SD 1) or open_clip's (SD 2). */
export type TokenizerKind = 'clip' | 'openclip'

/** Text to token ids of CLIP's vocabulary, 0 to 49407. */
export interface Tokenizer {
  /** Ids of a text, without BOS and EOS and however many there are. */
  encode(text: string): number[]
  /** The text a token stands for, with `</w>` where it ends a word. Bytes of a split character show as U+FFFD. */
  textOf(token: number): string
}

/** Beginning and end of text; the end also pads. */
export const bos = 49406
export const eos = 49407
/** The token of a comma that ends a word, where a long prompt is best divided. */
export const comma = 267

const spellings = {
  clip: { bos: '<|startoftext|>', eos: '<|endoftext|>' },
  openclip: { bos: '<start_of_text>', eos: '<end_of_text>' },
} as const

const spaces = new RegExp(`[${spaceClass}]+`, 'gu')

/** A tokenizer over the vocabulary of assets/clip-merges.bin. */
export function createTokenizer(mergeBytes: Uint8Array, kind: TokenizerKind): Tokenizer {
  const merges = readMerges(mergeBytes)
  const tokenOfByte = new Map(byteOrder.map((byte, token) => [byte, token]))
  const utf8 = new TextEncoder()
  const spelling = spellings[kind]
  const specials = new Map<string, number>([
    [spelling.bos, bos],
    [spelling.eos, eos],
  ])
  // BOS and EOS, English contractions, words, single digits, runs of other signs.
  const word = new RegExp(
    `${[...specials.keys()].map((special) => special.replaceAll('|', '\\|')).join('|')}` +
      `|'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^${spaceClass}\\p{L}\\p{N}]+`,
    'giu',
  )

  const encodeWord = (text: string): number[] => {
    const special = specials.get(text)
    if (special !== undefined) return [special]
    const tokens = Array.from(utf8.encode(text), (byte) => tokenOfByte.get(byte)!)
    tokens[tokens.length - 1]! += 256
    return mergeBytePairs(tokens, merges)
  }

  const bytesOf = (token: number): number[] => {
    if (token < firstMerge) return [byteOrder[token % 256]!]
    return merges.partsOf(token).flatMap(bytesOf)
  }
  const endsWord = (token: number): boolean => (token < firstMerge ? token >= 256 : endsWord(merges.partsOf(token)[1]))

  const clean = kind === 'clip' ? fixText : (text: string) => unescapeHtml(unescapeHtml(fixText(text)))
  // transformers takes the special words out before it cleans the text.
  const split = kind === 'clip' ? (text: string) => splitAt(text, [...specials.keys()]) : (text: string) => [text]

  return {
    encode(text) {
      const known = new Map<string, readonly number[]>()
      const tokensOf = (each: string): readonly number[] => {
        const tokens = known.get(each) ?? encodeWord(each)
        known.set(each, tokens)
        return tokens
      }
      return split(text).flatMap((part) => {
        const lower = strip(clean(part).replace(spaces, ' ')).toLowerCase()
        return (lower.match(word) ?? []).flatMap(tokensOf)
      })
    },
    textOf(token) {
      if (token === bos) return spelling.bos
      if (token === eos) return spelling.eos
      const text = new TextDecoder().decode(Uint8Array.from(bytesOf(token)))
      return endsWord(token) ? `${text}</w>` : text
    },
  }
}

/** A text's parts between some words and those words themselves. */
function splitAt(text: string, words: readonly string[]): string[] {
  return words.reduce<string[]>(
    (parts, word) =>
      parts.flatMap((part) => part.split(word).flatMap((piece, i) => (i === 0 ? [piece] : [word, piece]))),
    [text],
  )
}
