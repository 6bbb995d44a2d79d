import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatInfotext, joinInfotext, type ListedKey, listedKeys, quote } from './formatInfotext.ts'
import { splitInfotext } from './splitInfotext.ts'

const goldens: { cases: Record<string, { infotexts?: string[] }> } = JSON.parse(
  readFileSync(new URL('../../test/golden/index.json', import.meta.url), 'utf8'),
)

test('every recorded infotext, taken apart and written again, is the same text', () => {
  const texts = Object.values(goldens.cases).flatMap(({ infotexts }) => infotexts ?? [])
  expect(texts.length).toBeGreaterThan(480)
  for (const text of texts) {
    const { prompt, negativePrompt, pairs } = splitInfotext(text)
    const isListed = (key: string) => listedKeys.some((each) => each === key)
    const rewritten = formatInfotext({
      prompt,
      negativePrompt,
      listed: Object.fromEntries(pairs.filter(([key]) => isListed(key))),
      extra: pairs.filter(([key]) => !isListed(key) && key !== 'Version'),
      version: new Map(pairs).get('Version')!,
    })
    // Reading trims each line of a prompt; one recorded prompt ends in a space.
    const trimmed = text.split('\n').map((each) => each.trim())
    expect(rewritten).toBe(trimmed.join('\n'))
  }
})

test('recorded parameters stand in the listed order', () => {
  for (const { infotexts } of Object.values(goldens.cases)) {
    for (const text of infotexts ?? []) {
      const keys = splitInfotext(text).pairs.map(([key]) => key)
      const ranks = keys.map((key) => listedKeys.indexOf(key as ListedKey)).filter((rank) => rank !== -1)
      expect(ranks).toEqual([...ranks].sort((a, b) => a - b))
      expect(keys.at(-1)).toBe('Version')
    }
  }
})

test('listed parameters come first, in their order, and extras may replace them in place', () => {
  const text = formatInfotext({
    prompt: 'a cat',
    negativePrompt: 'dog',
    listed: { Size: '64x64', Steps: 20, 'CFG scale': '7.0', 'Denoising strength': null, Tiling: true },
    extra: [
      ['Hires upscaler', 'None'],
      ['Denoising strength', '0.7'],
      ['Hires prompt', 'a "cat", big'],
    ],
    version: 'v1.10.1',
  })
  expect(text).toBe(
    'a cat\nNegative prompt: dog\nSteps: 20, CFG scale: 7.0, Size: 64x64, Denoising strength: 0.7, Tiling: True, ' +
      'Hires upscaler: None, Hires prompt: "a \\"cat\\", big", Version: v1.10.1',
  )
})

test('a value with a comma, colon or line break is quoted, other signs are kept as they are', () => {
  expect(quote('猫, 犬')).toBe('"猫, 犬"')
  expect(quote('a: b')).toBe('"a: b"')
  expect(quote('a\nb')).toBe('"a\\nb"')
  expect(quote('<lora x> "y"')).toBe('<lora x> "y"')
})

test('a key whose value is its own name is written once', () => {
  expect(joinInfotext('', '', [['Karras', 'Karras']])).toBe('Karras')
})

test('a bare float is refused: its spelling would be a guess', () => {
  expect(() => joinInfotext('', '', [['CFG scale', 7.5]])).toThrow('internal: infotext CFG scale')
})

const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9 /-]{0,12}[A-Za-z0-9]$/)
// What a prompt keeps through reading: no outer white space on a line, no line that looks like a mark.
const line = fc
  .string({ unit: 'grapheme' })
  .map((text) => text.replace(/[\p{C}\p{Z}]/gu, ' ').trim())
  .filter((text) => !text.startsWith('Negative prompt:'))
const prompt = fc.array(line, { maxLength: 4 }).map((lines) => lines.join('\n').trim())
const value = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => `v${text}`.replace(/[\p{C}\p{Z}"]/gu, '_')),
  fc.string({ unit: 'binary' }).map((text) => `a, ${text}`),
)
const pairs = fc.uniqueArray(fc.tuple(word, value), { minLength: 3, maxLength: 12, selector: ([key]) => key })

test('what was written is read back, whatever the prompt and values are', () => {
  fc.assert(
    fc.property(prompt, prompt, pairs, (positive, negative, parameters) => {
      fc.pre(parameters.every(([key, text]) => key !== text))
      const read = splitInfotext(joinInfotext(positive, negative, parameters))
      expect(read).toEqual({ prompt: positive, negativePrompt: negative, pairs: parameters })
    }),
    { numRuns: 500 },
  )
})
