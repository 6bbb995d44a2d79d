import { expect, test } from 'vitest'
import { drawsFor } from '../draws.ts'
import type { EmojiRow } from './buildEmojiSet.ts'
import { captionOf, captionWords, type Part, type Scene } from './captions.ts'
import { isHeldOutPair, nounOf, withArticle } from './nouns.ts'

const part: Part = { label: 'cat face', noun: 'cat', tags: ['pet'], color: 'orange', isTurned: false, isSmall: false }
const scene: Scene = { parts: [part], style: 'flat emoji', ground: undefined }
const captions = (of: Scene) => Array.from({ length: 300 }, (_, i) => captionOf(of, drawsFor(9, i)))

test('a scene has many captions, all of which name what it shows', () => {
  const all = new Set(captions(scene))
  expect(all.size).toBeGreaterThan(15)
  for (const caption of all) expect(caption).toContain('cat')
  expect(all).toContain('a cat face')
  expect(all).toContain('flat emoji of an orange cat')
  expect(captionOf(scene, drawsFor(1, 2))).toBe(captionOf(scene, drawsFor(1, 2)))
})

test('what was changed is always told: the colour, the size, the ground', () => {
  const changed = { ...scene, parts: [{ ...part, color: 'blue', isTurned: true, isSmall: true }], ground: 'green' }
  for (const caption of captions(changed)) expect(caption).toMatch(/^(?=.*(small|tiny) blue cat)(?=.*green)/)
  for (const caption of captions(scene)) expect(caption).not.toMatch(/small|tiny|green|blue/)
})

test('two things are named from left to right', () => {
  const dog = { ...part, label: 'dog', noun: 'dog', color: undefined }
  for (const caption of captions({ ...scene, parts: [part, dog] }))
    expect(caption).toMatch(/cat.* (and|next to|beside) .*dog/)
})

test('nouns leave out colours and the faces of animals', () => {
  expect(nounOf({ label: 'cat face', group: 'animals-nature' })).toBe('cat')
  expect(nounOf({ label: 'angry face', group: 'smileys-emotion' })).toBe('angry face')
  expect(nounOf({ label: 'red apple', group: 'food-drink' })).toBe('apple')
  expect(nounOf({ label: 'automobile', group: 'travel-places' })).toBe('car')
})

test.each([
  ['apple', 'an apple'],
  ['cat', 'a cat'],
  ['unicorn', 'a unicorn'],
  ['umbrella', 'an umbrella'],
  ['grapes', 'grapes'],
  ['bus', 'a bus'],
  ['glass', 'a glass'],
  ['cherries', 'cherries'],
])('%s with its article is %s', (words, expected) => expect(withArticle(words)).toBe(expected))

test('about one in ten pairs of colour and thing is held out', () => {
  const held = Array.from({ length: 2000 }, (_, i) => isHeldOutPair('blue', `thing ${i}`)).filter(Boolean).length
  expect(held).toBeGreaterThan(140)
  expect(held).toBeLessThan(260)
})

test('every word of every caption is known beforehand', () => {
  const row = { slug: 'cat-face', label: 'cat face', tags: ['pet'], group: 'animals-nature', style: 'flat emoji' }
  const words = captionWords([row as unknown as EmojiRow])
  const scenes = [
    scene,
    { ...scene, parts: [{ ...part, color: 'teal', isTurned: true, isSmall: true }, part], ground: 'light blue' },
  ]
  for (const caption of scenes.flatMap(captions)) {
    for (const word of caption.replaceAll(',', ' ,').split(' ')) expect(words).toContain(word)
  }
})
