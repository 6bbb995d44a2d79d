import { expect, test } from 'vitest'
import { insertInto, type Selection, weigh } from './promptEditing.ts'

/** A text with its cursor at `|`, or with what is selected between two of them. */
function marked(text: string): Selection {
  const [before = '', selected = '', after] = text.split('|')
  if (after === undefined) return { text: before + selected, start: before.length, end: before.length }
  return { text: before + selected + after, start: before.length, end: before.length + selected.length }
}

test.each([
  ['|', '<lora:a:1>'],
  ['a cat|', 'a cat, <lora:a:1>'],
  ['a cat, |', 'a cat, <lora:a:1>'],
  ['a |cat', 'a, <lora:a:1>, cat'],
  ['a cat|, a hat', 'a cat, <lora:a:1>, a hat'],
  ['a |black| cat', 'a, <lora:a:1>, cat'],
])('%s takes a tag at the cursor', (before, after) => {
  const { text, start } = insertInto(marked(before), '<lora:a:1>')
  expect(text).toBe(after)
  expect(text.slice(0, start).endsWith('<lora:a:1>')).toBe(true)
})

test.each([
  ['a red| car', 0.1, 'a (red:1.1) car'],
  ['a (red:1.1)| car', 0.1, 'a (red:1.2) car'],
  ['a (r|ed:1.1) car', -0.1, 'a red car'],
  ['a |red car|', 0.1, 'a (red car:1.1)'],
  ['<lora:a|b:0.8>', 0.1, '<lora:ab:0.85>'],
  ['|sky|, sea', -0.1, '(sky:0.9), sea'],
])('%s weighed by %d', (before, change, after) => {
  expect(weigh(marked(before), change)?.text).toBe(after)
})

test('where there is no word there is nothing to weigh', () => {
  expect(weigh(marked('a , | b'), 0.1)).toBeUndefined()
})
