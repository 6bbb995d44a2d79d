import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isBreak, parseEmphasis } from './emphasis.ts'

/** Any UTF-16, paired or not. */
const anyText = fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes))

const pieces = (prompt: string) =>
  parseEmphasis(prompt, 'Original').map(({ text, weight }) => [text, Number(weight.toFixed(6))])

describe('brackets weigh', () => {
  test('the contract’s long example', () => {
    expect(pieces('a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).')).toEqual([
      ['a ', 1],
      ['house', 1.573],
      [' ', 1.1],
      ['on', 1],
      [' a ', 1.1],
      ['hill', 0.55],
      [', sun, ', 1.1],
      ['sky', 1.4641],
      ['.', 1.1],
    ])
  })
  test.each([
    ['(x)', [['x', 1.1]]],
    ['[x]', [['x', 0.909091]]],
    ['(x: -1.5 )', [['x', -1.5]]],
    ['[x:1.5]', [['x:1.5', 0.909091]]],
    ['(x:1.2.3)', [['x:1.2.3)', 1.1]]],
    ['(x:١.٥)', [['x', 1.5]]],
    ['(x:𝟚)', [['x', 2]]],
    ['((x', [['x', 1.21]]],
    ['x) y] z:2)', [['x) y] z:2)', 1]]],
    ['\\(x\\) \\[y\\] \\\\ \\z', [['(x) [y] \\ z', 1]]],
    ['', [['', 1]]],
    ['()', [['', 1]]],
  ])('%s', (prompt, expected) => {
    expect(pieces(prompt)).toEqual(expected)
  })
})

describe('BREAK', () => {
  const breaks = (prompt: string) =>
    parseEmphasis(prompt, 'Original').map((piece) => (isBreak(piece) ? '|' : piece.text))
  test('is a keyword that eats the spaces around it', () => {
    expect(breaks('a  BREAK\nb BREAK BREAK c')).toEqual(['a', '|', 'b', '|', '', '|', 'c'])
    expect(breaks('BREAK')).toEqual(['', '|', ''])
  })
  test('is a word inside parentheses or as part of another', () => {
    expect(breaks('(a BREAK b)')).toEqual(['a', 'BREAK', 'b'])
    expect(breaks('BREAKFAST éBREAK break')).toEqual(['BREAKFAST éBREAK break'])
  })
})

test('mode None reads no brackets', () => {
  expect(parseEmphasis('(a:2) \\( BREAK', 'None')).toEqual([{ text: '(a:2) \\( BREAK', weight: 1 }])
})

test('pieces agree with those recorded from the web UI, to the last bit of their weights', () => {
  const cases: { text: string; emphasis: [string, number][] | null }[] = JSON.parse(
    readFileSync(new URL('goldens/syntax.json', import.meta.url), 'utf8'),
  )
  for (const { text, emphasis } of cases) {
    // The web UI fails at weights that are no numbers.
    if (!emphasis) continue
    expect(
      parseEmphasis(text, 'Original').map((piece) => [piece.text, piece.weight]),
      text,
    ).toEqual(emphasis)
  }
})

test('text without brackets, backslash, colon or BREAK is one piece of weight 1', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const plain = text.replace(/[[\]():\\]|BREAK/g, '')
      expect(parseEmphasis(plain, 'Original')).toEqual([{ text: plain, weight: 1 }])
    }),
  )
})

test('no text is lost but brackets, backslashes, weights and the spaces around BREAK', () => {
  const unit = fc.constantFrom(...'(())[[]]\\::1.5 ab', ' BREAK ')
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60 }), (prompt) => {
      const letters = (text: string) => text.replace(/[^ab]/g, '')
      const read = parseEmphasis(prompt, 'Original')
      expect(letters(read.map(({ text }) => text).join(''))).toBe(letters(prompt))
      for (const { weight } of read) expect(weight).not.toBeNaN()
    }),
  )
})

describe('hostile prompts take time in proportion to their length', () => {
  const long = 1 << 18
  test.each([
    ['nested parentheses', `${'('.repeat(10_000)}a${')'.repeat(10_000)}`],
    ['unclosed parentheses around text', '(a'.repeat(long / 2)],
    ['closed parentheses around text', `${'(a'.repeat(long / 8)}${':2)'.repeat(long / 8)}`],
    ['spaces', ' '.repeat(long)],
    ['colons and spaces', ': '.repeat(long / 2)],
    ['BREAK', ' BREAK'.repeat(long / 8)],
    ['backslashes', '\\'.repeat(long)],
    ['a weight', `(a:${'1'.repeat(long)})`],
  ])('%s', (_, prompt) => {
    const start = process.cpuUsage()
    expect(parseEmphasis(prompt, 'Original').length).toBeGreaterThan(0)
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10)
  })
})
