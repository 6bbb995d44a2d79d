import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseInfotext } from './parseInfotext.ts'
import { splitInfotext } from './splitInfotext.ts'

const goldens: { cases: Record<string, { infotexts?: string[] }> } = JSON.parse(
  readFileSync(new URL('../../test/golden/index.json', import.meta.url), 'utf8'),
)
const line = 'Steps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 512x768'

test('prompt, negative prompt and parameters are told apart', () => {
  const read = parseInfotext(`a cat,\non a mat\nNegative prompt: dog\nrain\n${line}`)
  expect(read.prompt).toBe('a cat,\non a mat')
  expect(read.negativePrompt).toBe('dog\nrain')
  expect(read.values.get('Sampler')).toBe('Euler a')
  expect(read.values.get('Size-1')).toBe('512')
  expect(read.values.get('Size-2')).toBe('768')
  expect(read.values.has('Size')).toBe(false)
})

test('a last line with fewer than three parameters belongs to the prompt', () => {
  expect(splitInfotext('a cat\nmood: dark, light: soft')).toEqual({
    prompt: 'a cat\nmood: dark, light: soft',
    negativePrompt: '',
    pairs: [],
  })
})

test('a quoted value keeps its commas, colons and line breaks', () => {
  const read = splitInfotext(`x\n${line}, Hires prompt: "a, \\"b\\": c\\nd", Version: v1`)
  expect(read.pairs).toContainEqual(['Hires prompt', 'a, "b": c\nd'])
  expect(read.pairs.at(-1)).toEqual(['Version', 'v1'])
})

test('a quote that is not closed before a comma is plain text', () => {
  const read = splitInfotext(`x\n${line}, Note: "open, Version: v1`)
  expect(read.pairs).toContainEqual(['Note', '"open'])
})

test('absent parameters get the value their absence means', () => {
  const { values } = parseInfotext(`a\n${line}`)
  expect(values.get('Clip skip')).toBe('1')
  expect(values.get('RNG')).toBe('GPU')
  expect(values.get('Masked area padding')).toBe(32)
  expect(values.get('Schedule type')).toBe('Automatic')
  expect(values.get('Hires sampler')).toBe('Use same sampler')
  expect(values.has('Emphasis')).toBe(false)
})

test('weights in either prompt ask for the original emphasis', () => {
  const usesEmphasis = (prompt: string) => prompt.includes('(')
  expect(parseInfotext(`a\nNegative prompt: (b)\n${line}`, { usesEmphasis }).values.get('Emphasis')).toBe('Original')
  const said = parseInfotext(`(a)\n${line}, Emphasis: No norm`, { usesEmphasis })
  expect(said.values.get('Emphasis')).toBe('No norm')
})

test.each([
  ['v1.5.2', ['Old prompt editing timelines', 'Pad conds v0', 'Downcast alphas_cumprod']],
  ['v1.6.0', ['Downcast alphas_cumprod']],
  ['v1.7.0-224-gabcdef12', ['Downcast alphas_cumprod']],
  ['v1.7.0-225-gabcdef12', []],
  ['v1.10.1', []],
  ['1.5.0-RC', []],
  ['homemade', []],
])('a picture of version %s asks for the behaviour of its time', (version, expected) => {
  const text = `[a:b:0.5]\n${line.replace('Euler a', 'DDIM')}, Version: ${version}`
  const { values } = parseInfotext(text, { backwardCompatible: true })
  const asked = ['Old prompt editing timelines', 'Pad conds v0', 'Downcast alphas_cumprod']
  expect(asked.filter((key) => values.get(key) === true)).toEqual(expected)
  const plain = parseInfotext(text).values
  expect(asked.some((key) => plain.has(key))).toBe(false)
})

test('before 1.8 a refiner switched by steps', () => {
  const text = `a\n${line}, Refiner: x, Refiner switch at: 0.8, Version: v1.7.0-300-gabc`
  const { values } = parseInfotext(text, { backwardCompatible: true })
  expect(values.get('Refiner switch by sampling steps')).toBe(true)
})

test('an old first pass size becomes the size, and the size the hires target', () => {
  const { values } = parseInfotext(`a\n${line}, First pass size: 256x384`)
  expect(values.get('Size-1')).toBe(256)
  expect(values.get('Size-2')).toBe(384)
  expect(values.get('Hires resize-1')).toBe(512)
  expect(values.get('Hires resize-2')).toBe(768)
  const automatic = parseInfotext(`a\n${line}, First pass size: 0x0`, { oldFirstPass: (w, h) => [w / 2, h / 2] })
  expect(automatic.values.get('Size-2')).toBe(384)
})

test('a hypernetwork parameter becomes the tag that asks for it', () => {
  expect(parseInfotext(`a\n${line}, Hypernet: paint, Hypernet strength: 0.5`).prompt).toBe('a<hypernet:paint:0.5>')
})

test('styles leave the prompts unless the hires prompts carry other ones', () => {
  const extractStyles = (prompt: string, negativePrompt: string) => ({
    styles: prompt.endsWith(', ink') ? ['ink'] : [],
    prompt: prompt.replace(/, ink$/, ''),
    negativePrompt,
  })
  const plain = parseInfotext(`a, ink\n${line}`, { extractStyles })
  expect([plain.prompt, plain.styles]).toEqual(['a', ['ink']])
  const sameHires = parseInfotext(`a, ink\n${line}, Hires prompt: "b, ink"`, { extractStyles })
  expect([sameHires.prompt, sameHires.values.get('Hires prompt')]).toEqual(['a', 'b'])
  const otherHires = parseInfotext(`a, ink\n${line}, Hires prompt: b`, { extractStyles })
  expect([otherHires.prompt, otherHires.values.get('Hires prompt')]).toEqual(['a, ink', 'b'])
})

test('parameters to skip are left out', () => {
  expect(parseInfotext(`a\n${line}`, { skip: ['Seed', 'Clip skip'] }).values.has('Seed')).toBe(false)
})

test('every recorded infotext yields its seed, steps and size', () => {
  const texts = Object.values(goldens.cases).flatMap(({ infotexts }) => infotexts ?? [])
  for (const text of texts) {
    const { values } = parseInfotext(text)
    for (const key of ['Steps', 'Seed', 'Size-1', 'Size-2']) expect(values.get(key)).toMatch(/^\d+$/)
  }
})

test('any text is read without complaint', () => {
  const pieces = fc.constantFrom('"', '\\', ':', ',', 'ab', ' ', '\n', '1x1', 'Negative prompt:', 'Version: v1.', 'é')
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces).map((parts) => parts.join('')),
  )
  fc.assert(fc.property(text, (each) => parseInfotext(each, { backwardCompatible: true }).values.size > 0))
})

test('a long hostile line is read in linear time', () => {
  for (const piece of ['ab:"\\', 'word ', '"\\"', 'ab:', ' \t', 'a:"x,']) {
    const start = performance.now()
    parseInfotext(piece.repeat(200_000 / piece.length))
    expect(performance.now() - start).toBeLessThan(2000)
  }
})
