import { expect, test } from 'vitest'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import { bos, eos } from '../text/tokenizer.ts'
import { captionReader, tokensOf } from './captionTokens.ts'

const tokenizer = openTokenizer('clip')
const vocabulary = tokensOf(['a', 'red', 'apple', ','], tokenizer)

test('a vocabulary has the tokens of its words, the beginning and the end, in order', () => {
  expect(vocabulary).toEqual([...new Set([bos, eos, ...tokenizer.encode('a red apple,')])].sort((a, b) => a - b))
})

test('captions are read as places in the vocabulary, unknown words left out and long ones cut', () => {
  const { tokens, ends } = captionReader(
    vocabulary,
    5,
    tokenizer,
  )(['a red zebra apple', 'apple apple apple apple apple'])
  const words = (row: number) => [...tokens.subarray(5 * row, 5 * row + 5)].map((place) => vocabulary[Number(place)]!)
  const [a, red, apple] = tokenizer.encode('a red apple')
  expect(words(0)).toEqual([bos, a, red, apple, eos])
  expect(words(1)).toEqual([bos, apple, apple, apple, eos])
  expect([...ends]).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
  expect([...captionReader(vocabulary, 5, tokenizer)(['red']).ends]).toEqual([0, 0, 1, 0, 0])
})
