import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { stripComments } from './comments.ts'

test.each([
  ['50% #1 & more', '50% \n'],
  ['a # b\nc', 'a \nc'],
  ['a\n# whole line\nb', 'a\nb'],
  ['# first\na', '\na'],
  ['a\n# last', 'a\n'],
  ['a\n#x\n#y\nb', 'a\n\nb'],
  ['#', '\n'],
  ['none', 'none'],
])('%j', (prompt, expected) => {
  expect(stripComments(prompt)).toBe(expected)
})

test('what is left agrees with what the web UI left', () => {
  const cases: { text: string; comments: string }[] = JSON.parse(
    readFileSync(new URL('goldens/syntax.json', import.meta.url), 'utf8'),
  )
  for (const { text, comments } of cases) expect(stripComments(text), text).toBe(comments)
})
