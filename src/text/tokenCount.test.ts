import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { indexEmbeddings } from './embeddings.ts'
import { countTokens } from './tokenCount.ts'
import { createTokenizer } from './tokenizer.ts'

const tokenizer = createTokenizer(readFileSync(new URL('../../assets/clip-merges.bin', import.meta.url)), 'clip')
const options = {
  tokenizer,
  embeddings: indexEmbeddings([], tokenizer),
  emphasis: 'Original',
  commaBacktrack: 20,
} as const
const count = (prompt: string, isNegative = false) => {
  const { tokens, room } = countTokens(prompt, 20, isNegative, options)
  return `${tokens}/${room}`
}

test.each([
  ['', '0/75'],
  ['a red cat', '3/75'],
  ['a red cat <lora:x:1>', '3/75'],
  ['a (red:1.2) cat', '3/75'],
  ['cat '.repeat(75), '75/75'],
  ['cat '.repeat(76), '76/150'],
  ['a BREAK b', '76/150'],
  ['[a:a red cat:5]', '3/75'],
  ['a AND a red cat', '3/75'],
])('%s counts %s', (prompt, expected) => {
  expect(count(prompt)).toBe(expected)
})

test('AND is a word of a negative prompt', () => {
  expect(count('a AND a red cat', true)).toBe('5/75')
})
