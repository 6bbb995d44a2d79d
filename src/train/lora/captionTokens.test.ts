import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { recordedRun } from '../../../test/training/recordedRun.ts'
import { readWeight } from '../../files/readWeight.ts'
import { createTokenizer } from '../../text/tokenizer.ts'
import { captionTokens } from './captionTokens.ts'

const tokenizer = createTokenizer(readFileSync(new URL('../../../assets/clip-merges.bin', import.meta.url)), 'clip')

test.each([
  ['a2', 1],
  ['m_te150_clip2', 2],
] as const)('the captions of %s become the tokens that were recorded', (name, chunks) => {
  const run = recordedRun(name)
  for (let step = 1; step <= run.batches; step++) {
    const ids = readWeight(run.tensors.get(`batch${String(step).padStart(3, '0')}.input_ids`)!)
    const { captions } = run.steps[step - 1]!
    const tokens = captions.flatMap(
      (text) => captionTokens(text, { tokenizer, kind: 'clip', chunks, isWeighted: false }).tokens,
    )
    expect(tokens).toEqual([...ids.data])
  }
})

test('a long caption fills its chunks, each begun and ended anew, and weights follow their words', () => {
  const text = `${'red '.repeat(80)}(blue:1.5)`
  const { tokens, weights } = captionTokens(text, { tokenizer, kind: 'clip', chunks: 2, isWeighted: true })
  expect(tokens).toHaveLength(154)
  const [red] = tokenizer.encode('red')
  const [blue] = tokenizer.encode('blue')
  expect(tokens.slice(0, 77)).toEqual([49406, ...Array(75).fill(red), 49407])
  expect(tokens.slice(77, 85)).toEqual([49406, red, red, red, red, red, blue, 49407])
  expect(weights).toHaveLength(152)
  expect([...weights].filter((weight) => weight !== 1)).toEqual([1.5])
  expect(weights[81]).toBe(1.5)
})

test('an encoder of OpenCLIP is given zeros behind the end of the text', () => {
  const { tokens } = captionTokens('red', { tokenizer, kind: 'openclip', chunks: 1, isWeighted: false })
  expect(tokens.slice(2, 5)).toEqual([49407, 0, 0])
  expect(tokens.at(-1)).toBe(0)
})
