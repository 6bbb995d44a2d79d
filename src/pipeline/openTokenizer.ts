import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createTokenizer, type Tokenizer, type TokenizerKind } from '../text/tokenizer.ts'

const mergesPath = fileURLToPath(new URL('../../assets/clip-merges.bin', import.meta.url))

/** CLIP's tokenizer over the vocabulary that travels with the package. */
export function openTokenizer(kind: TokenizerKind): Tokenizer {
  return createTokenizer(readFileSync(mergesPath), kind)
}
