import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { openSet } from '../pictureSet.ts'
import { type Captions, captionOf, tagsOf, withPlainCommas } from './caption.ts'
import { readCaptions, saveCaptions, undoSave } from './captionFiles.ts'
import { categoryOf } from './categories.ts'
import { countTags } from './count.ts'
import {
  addTags,
  dedupe,
  edited,
  exchangeTags,
  prependTrigger,
  removeTags,
  replaceText,
  sortTags,
  truncate,
} from './edit.ts'
import { everything, matching } from './filter.ts'
import { advanced, changes, redone, startHistory, undone } from './history.ts'
import { adviseRemoval, withoutAdvised } from './methods.ts'

const captions: Captions = new Map([
  ['a', '1girl, black hair, blue eyes, smile, outdoors'],
  ['b', '1girl, black hair, sitting, indoors'],
  ['c', '1girl, black hair, blue eyes, hat, Closed Eyes'],
  ['d', ''],
])
const some = (mode: 'and' | 'or', ...tags: string[]) => ({ mode, tags })

test('filters: all or any of the wanted, and none or not all of the unwanted', () => {
  const names = (has = everything.has, lacks = everything.lacks) => [...matching(captions, { has, lacks })]
  expect(names()).toEqual(['a', 'b', 'c', 'd'])
  expect(names(some('and', 'black hair', 'Blue Eyes'))).toEqual(['a', 'c'])
  expect(names(some('or', 'hat', 'sitting'))).toEqual(['b', 'c'])
  expect(names(some('and', '1girl'), some('or', 'hat', 'smile'))).toEqual(['b'])
  expect(names(some('and', '1girl'), some('and', 'hat', 'blue eyes'))).toEqual(['a', 'b'])
  // Not even one of no tags is there: a caption without tags has none.
  expect(names(everything.has, some('or', '1girl'))).toEqual(['d'])
})

test('search and replace: plain text, expressions with groups, one text, each tag, some tags', () => {
  const text = 'long hair, hair (bow), a.b'
  const replace = (
    find: string,
    to: string,
    isRegex = false,
    scope: 'caption' | 'tags' | { tags: string[] } = 'tags',
  ) => replaceText({ find, replace: to, isRegex, scope })(text)
  expect(replace('hair', 'fur')).toBe('long fur, fur (bow), a.b')
  expect(replace('.', '-')).toBe('long hair, hair (bow), a-b')
  expect(replace('$&', 'x')).toBe(text)
  expect(replace('hair', '$&!')).toBe('long $&!, $&! (bow), a.b')
  expect(replace('^(\\w+) hair$', 'hair, $1', true)).toBe('hair, long, hair (bow), a.b')
  expect(replace('^hair.*', '', true)).toBe('long hair, a.b')
  expect(replace(', hair', '; hair', false, 'caption')).toBe('long hair; hair (bow), a.b')
  expect(replace('a', 'A', false, { tags: ['A.B'] })).toBe('long hair, hair (bow), A.b')
  expect(() => replace('(', '', true)).toThrow('no regular expression')
})

test('tags are added, removed, exchanged, sorted, cut and kept once', () => {
  expect(addTags(['new', 'b'], 'start')('a, B, c')).toBe('new, b, a, c')
  expect(addTags(['new'], 'end')('')).toBe('new')
  expect(prependTrigger('mycat')('a, mycat')).toBe('mycat, a')
  expect(removeTags(['B', 'not there'])('a, b, c')).toBe('a, c')
  expect(exchangeTags(['a', 'b'], ['x', '', 'y'], 'end')('b, a, c')).toBe('x, c, y')
  expect(dedupe('a, B, b, a, c')).toBe('a, B, c')
  expect(sortTags(captions, 'frequency', true)('outdoors, blue eyes, 1girl')).toBe('1girl, blue eyes, outdoors')
  expect(sortTags(captions, 'length', false, 1)('zz, ccc, a, bb')).toBe('zz, a, bb, ccc')
  expect(sortTags(captions, 'alphabet', true)('a10, a9, b')).toBe('b, a10, a9')
  // A token a word, one more for each comma: five for three words.
  const tokens = (text: string) => text.split(/[ ,]+/).length + (text.match(/,/g) ?? []).length
  expect(truncate(4, tokens)('a, b, c')).toBe('a, b')
  expect(truncate(0, tokens)('a, b')).toBe('')
})

test('wide commas become commas', () => {
  expect(withPlainCommas('长发，蓝眼、 微笑；　坐着。')).toBe('长发, 蓝眼, 微笑, 坐着')
  expect(withPlainCommas('plain, text')).toBe('plain, text')
})

test('an edit is undone and done again, and touches the chosen pictures only', () => {
  const names = matching(captions, { ...everything, has: some('and', 'hat') })
  const next = edited(captions, names, addTags(['x'], 'end'))
  expect(changes(captions, next).map(({ name }) => name)).toEqual(['c'])
  const history = advanced(advanced(startHistory(captions), next), new Map())
  expect(undone(undone(undone(history))).present).toBe(captions)
  expect(redone(undone(undone(history))).present).toBe(next)
  expect(redone(history)).toBe(history)
})

test('editing twice the same is editing once, whatever the caption', () => {
  const tag = fc.stringMatching(/^[a-z(]{1,4}$/)
  fc.assert(
    fc.property(fc.array(tag), fc.array(tag, { minLength: 1 }), (tags, others) => {
      const caption = captionOf(tags)
      for (const edit of [dedupe, removeTags(others), addTags([...new Set(others)], 'start'), withPlainCommas]) {
        expect(edit(edit(caption))).toBe(edit(caption))
      }
      expect(tagsOf(removeTags(others)(caption)).some((each) => others.includes(each))).toBe(false)
    }),
    { numRuns: 50 },
  )
})

test('counting is per picture, in lower case, most frequent first', () => {
  expect([...countTags(captions)].slice(0, 3)).toEqual([
    ['1girl', 3],
    ['black hair', 3],
    ['blue eyes', 2],
  ])
})

test.each([
  ['hair', 'long hair, black_hair, ponytail, blunt bangs, hair between eyes, ahoge, 黑色长发, blonde hair'],
  ['eyes', 'blue eyes, heterochromia, slit pupils, 蓝眼'],
  ['skin', 'dark skin, freckles, mole under eye, pale skin'],
  ['body', 'large breasts, cat ears, tail, pointy ears, muscular'],
  ['face', 'beard, fang, thick lips'],
  ['expression', 'smile, closed eyes, open mouth, blush, >_<, 微笑'],
  ['action', 'sitting, holding sword, arms up, hand in own hair, standing'],
  ['gaze', 'looking at viewer'],
  ['background', 'simple background, white background, outdoors, blue sky, 室内'],
  ['framing', 'upper body, cowboy shot, from above, close-up, full body, 特写'],
  ['clothing', 'white shirt, hair ornament, glasses, school uniform, red ribbon'],
  ['count', '1girl, solo, 2boys, multiple girls'],
  ['meta', 'masterpiece, highres'],
])('tags of kind %s are known as such: %s', (category, tags) => {
  expect(tags.split(', ').map((tag) => [tag, categoryOf(tag)])).toEqual(tags.split(', ').map((tag) => [tag, category]))
})

test('method 2 takes out what the subject is and keeps what may change, as asked', () => {
  const usual = { leastShare: 0.5, keep: [], drop: [], trigger: undefined }
  const goes = (options: Partial<Parameters<typeof adviseRemoval>[1]>) =>
    adviseRemoval(captions, { ...usual, ...options })
      .filter((each) => each.goes)
      .map(({ tag }) => tag)
  expect(goes({})).toEqual(['black hair', 'blue eyes'])
  expect(goes({ leastShare: 0.6 })).toEqual(['black hair'])
  expect(goes({ keep: ['Black Hair'], drop: ['hat'] })).toEqual(['blue eyes', 'hat'])
  expect(goes({ trigger: 'black hair' })).toEqual(['blue eyes'])
  const pruned = withoutAdvised(captions, adviseRemoval(captions, usual))
  expect(pruned.get('c')).toBe('1girl, hat, Closed Eyes')
  expect(pruned.get('d')).toBe('')
})

const root = mkdtempSync(join(tmpdir(), 'athanor-tags-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('a save keeps what was there, undoing brings it back to the byte and removes what was made', () => {
  for (const name of ['a', 'b', 'c']) writeFileSync(join(root, `${name}.png`), 'pixels')
  writeFileSync(join(root, 'a.txt'), 'old, words')
  writeFileSync(join(root, 'b.txt'), ' same \n')
  const set = () => openSet(root)
  const names = (...wanted: string[]) => new Set(wanted)
  const first = edited(readCaptions(set()), names('a.png', 'c.png'), prependTrigger('x'))
  expect(saveCaptions(set(), first).written).toEqual(['a.txt', 'c.txt'])
  expect(readFileSync(join(root, 'a.000'), 'utf8')).toBe('old, words')
  expect(readFileSync(join(root, 'b.txt'), 'utf8')).toBe(' same \n')
  saveCaptions(set(), edited(readCaptions(set()), names('a.png'), prependTrigger('y')))
  expect(readFileSync(join(root, 'a.txt'), 'utf8')).toBe('y, x, old, words\n')
  expect(readFileSync(join(root, 'a.001'), 'utf8')).toBe('x, old, words\n')
  expect(saveCaptions(set(), readCaptions(set())).written).toEqual([])
  undoSave(root)
  undoSave(root)
  expect(readFileSync(join(root, 'a.txt'), 'utf8')).toBe('old, words')
  expect(existsSync(join(root, 'c.txt'))).toBe(false)
  expect(readdirSync(root).filter((name) => /\.\d{3}$/.test(name))).toEqual([])
  expect(() => undoSave(root)).toThrow('no save of captions')
})

test('a journal that leads out of the set, and a caption that is a link, are refused', () => {
  writeFileSync(join(root, '.caption-saves.json'), '{"saves": [{"../victim.txt": null}]}')
  expect(() => undoSave(root)).toThrow('lies outside the set')
  rmSync(join(root, '.caption-saves.json'))
  symlinkSync('a.txt', join(root, 'c.txt'))
  const next = edited(readCaptions(openSet(root)), new Set(['c.png']), prependTrigger('z'))
  expect(() => saveCaptions(openSet(root), next)).toThrow('is a link')
  rmSync(join(root, 'c.txt'))
  writeFileSync(join(root, 'b.txt'), Uint8Array.of(0xff, 0xfe))
  expect(() => readCaptions(openSet(root))).toThrow('b.txt: not UTF-8')
})
