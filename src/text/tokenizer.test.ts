import { readFileSync } from 'node:fs'
import { Tokenizer as ReferenceTokenizer } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bos, comma, createTokenizer, eos } from './tokenizer.ts'

const root = new URL('../../', import.meta.url)
const merges = readFileSync(new URL('assets/clip-merges.bin', root))
const tokenizers = { clip: createTokenizer(merges, 'clip'), openclip: createTokenizer(merges, 'openclip') }

describe('tokens of difficult prompts are those recorded', () => {
  const cases: { text: string; clip: number[]; openclip: number[] }[] = JSON.parse(
    readFileSync(new URL('goldens/tokens.json', import.meta.url), 'utf8'),
  )
  test.each(['clip', 'openclip'] as const)('from the tokenizer of %s', (kind) => {
    expect(cases.length).toBeGreaterThan(400)
    for (const each of cases) expect(tokenizers[kind].encode(each.text), each.text).toEqual(each[kind])
  })
})

test('plain ASCII has the tokens that Hugging Face’s own tokenizer gives it', () => {
  const folder = new URL('test/golden/models/clip-tiny-l/', root)
  const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
  const pattern = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
  const reference = new ReferenceTokenizer(
    {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'NFC' },
          { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
          { type: 'Lowercase' },
        ],
      },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: pattern }, behavior: 'Removed', invert: true },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: null,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<|endoftext|>',
        continuing_subword_prefix: '',
        end_of_word_suffix: '</w>',
        fuse_unk: false,
        vocab: JSON.parse(read('vocab.json')),
        merges: read('merges.txt')
          .split('\n')
          .filter((line) => line !== '' && !line.startsWith('#version')),
      },
    },
    JSON.parse(read('tokenizer_config.json')),
  )
  const ascii = fc.string({ unit: 'grapheme-ascii', maxLength: 80 }).map((text) => text.replaceAll('&', '+'))
  const words = fc.string({ unit: fc.constantFrom(...'aeiounrstlkd'), maxLength: 40 })
  fc.assert(
    fc.property(fc.oneof(ascii, words), (text) => {
      const { ids } = reference.encode(text, { add_special_tokens: false })
      expect(tokenizers.clip.encode(text)).toEqual(ids)
    }),
    { numRuns: 300 },
  )
})

const anyText = fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes))

test('any text has tokens of the vocabulary, of either kind', () => {
  fc.assert(
    fc.property(anyText, fc.constantFrom('clip', 'openclip'), (text, kind) => {
      for (const token of tokenizers[kind].encode(text)) expect(token).toSatisfy((id) => id >= 0 && id <= eos)
    }),
  )
})

test('tokens of lone surrogates are those of the replacement character', () => {
  expect(tokenizers.clip.encode('\ud800')).toEqual(tokenizers.clip.encode('\ufffd'))
})

test('tokens name the text they stand for', () => {
  const texts = (text: string) => tokenizers.clip.encode(text).map(tokenizers.clip.textOf)
  expect(texts('A masterpiece, 8k')).toEqual(['a</w>', 'masterpiece</w>', ',</w>', '8</w>', 'k</w>'])
  expect([bos, eos, comma].map(tokenizers.clip.textOf)).toEqual(['<|startoftext|>', '<|endoftext|>', ',</w>'])
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz') }), (word) => {
      expect(texts(word).join('')).toBe(word === '' ? '' : `${word}</w>`)
    }),
  )
})

test.each([
  ['one letter', 'a'.repeat(1 << 18)],
  ['many letters', 'etaoinshrdlu'.repeat(20_000)],
  ['spaces', ' '.repeat(1 << 18)],
  ['words', 'masterpiece, '.repeat(20_000)],
  ['entities', '&amp'.repeat(60_000)],
  ['entities in entities', `&${'amp;'.repeat(60_000)}lt;`],
  ['Windows-1252', 'Ã©'.repeat(60_000)],
])('a long text of %s takes time in proportion to its length', (_, text) => {
  const start = process.cpuUsage()
  for (const kind of ['clip', 'openclip'] as const) tokenizers[kind].encode(text)
  expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10)
})

test('merges of another size are refused', () => {
  expect(() => createTokenizer(merges.subarray(4), 'clip')).toThrow(/195572 bytes, expected 195576/)
})
