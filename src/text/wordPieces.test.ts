import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createWordPieces } from './wordPieces.ts'

const list = readFileSync(new URL('../../assets/bert-vocabulary.txt', import.meta.url))
const pieces = list.toString('utf8').trimEnd().split('\n')
const words = createWordPieces(pieces)

// Recorded by scripts/goldens/wordPieces.py from transformers' BertTokenizer.
interface Recorded {
  readonly read: readonly { readonly text: string; readonly tokens: readonly number[] }[]
  readonly written: readonly { readonly text: string; readonly tokens: readonly number[] }[]
}
const recorded = JSON.parse(readFileSync(new URL('goldens/wordPieces.json', import.meta.url), 'utf8')) as Recorded

test('the vocabulary is the published one', () => {
  expect(pieces).toHaveLength(30522)
  const digest = createHash('sha256').update(list).digest('hex')
  expect(digest).toBe('07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3')
})

test.each(recorded.read.map(({ text, tokens }) => [text, tokens] as const))(
  '%j is read as BERT reads it',
  (text, tokens) => {
    expect(words.encode(text)).toEqual(tokens)
  },
)

test.each(recorded.written.map(({ text, tokens }) => [text, tokens] as const))(
  '%j is how tokens are written',
  (text, tokens) => {
    expect(words.decode(tokens)).toBe(text)
  },
)

test('tokens beyond the list, as BLIP’s own, stand for no text', () => {
  expect(words.decode([30522, 1037, 4937, 30523])).toBe('a cat')
  expect(words.tokenOf('[SEP]')).toBe(102)
  expect(words.tokenOf('[DEC]')).toBeUndefined()
})
