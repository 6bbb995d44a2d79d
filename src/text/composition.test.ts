import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitAnd } from './composition.ts'

const parts = (prompt: string) => splitAnd(prompt).map(({ text, weight }) => [text, weight])

test.each([
  [
    'a cat :1.2 AND a dog :-0.5',
    [
      ['a cat', 1.2],
      [' a dog', -0.5],
    ],
  ],
  [
    'a AND b',
    [
      ['a', 1],
      [' b', 1],
    ],
  ],
  [
    '(a:1.2) AND b',
    [
      ['(a:1.2)', 1],
      [' b', 1],
    ],
  ],
  ['a:+3', [['a', 3]]],
  ['a : .5 \n', [['a', 0.5]]],
  ['a:1e3', [['a:1e3', 1]]],
  ['a:1:2', [['a:1', 2]]],
  ['HAND ANDY aAND éAND and', [['HAND ANDY aAND éAND and', 1]]],
  [
    'AND',
    [
      ['', 1],
      ['', 1],
    ],
  ],
  ['a ((red car, (blue:1.2', [['a ((red car, (blue', 1.2]]],
])('%s', (prompt, expected) => {
  expect(parts(prompt)).toEqual(expected)
})

test('parts agree with those recorded from the web UI', () => {
  const cases: { text: string; and: unknown }[] = JSON.parse(
    readFileSync(new URL('goldens/syntax.json', import.meta.url), 'utf8'),
  )
  for (const { text, and } of cases) expect(parts(text), text).toEqual(and)
})

test('every prompt has a part, and every part a finite weight', () => {
  const unit = fc.constantFrom(' AND ', 'AND', ':', '1', '.', '-', 'a', ' ')
  fc.assert(
    fc.property(fc.string({ unit }), (prompt) => {
      const read = splitAnd(prompt)
      expect(read.length).toBeGreaterThan(0)
      for (const { weight } of read) expect(weight).toSatisfy(Number.isFinite)
    }),
  )
})
