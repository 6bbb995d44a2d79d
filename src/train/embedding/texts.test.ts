import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pythonRandom } from '../../tensor/pythonRandom.ts'
import { readTemplate, templateFolder } from './templates.ts'
import { drawText, fileWords } from './texts.ts'

const plain = { wordRegex: '', joinString: ' ' }

test.each([
  // A caption is taken as it is, whatever the file is called.
  ['a cat, on a mat\n', '0001-dog', plain, 'a cat, on a mat'],
  ['', '0001-dog', plain, ''],
  // Digits and dashes at the beginning of a name, and what is white after them, are no words.
  [undefined, '0001-0-a red ball', plain, 'a red ball'],
  [undefined, '00-1  ball 7', plain, 'ball 7'],
  [undefined, 'ball-1', plain, 'ball-1'],
  [undefined, '0001', plain, ''],
  // A pattern finds the words, which are joined.
  [undefined, '12-red_ball_9', { wordRegex: '[a-z]+', joinString: ' ' }, 'red ball'],
  [undefined, 'red_ball', { wordRegex: '([a-z])[a-z]*', joinString: '+' }, 'r+b'],
])('the words of a picture: caption %j, file %s, %o', (caption, stem, names, expected) => {
  expect(fileWords(caption, stem, names)).toBe(expected)
})

test('a pattern that is none names its option', () => {
  expect(() => fileWords(undefined, 'x', { wordRegex: '[', joinString: '' })).toThrow(/^dataset_filename_word_regex/)
})

test('a text is a line of the template about the words', () => {
  const draws = { template: ['[filewords] by [name], [name]'], shufflesTags: false, tagDropOut: 0 }
  expect(drawText('zkz', 'a, [name], $& c', draws, pythonRandom(1))).toBe('a, zkz, $& c by zkz, zkz')
})

test('lines are drawn alike often, tags change places, and each is left out as often as is asked', () => {
  const random = pythonRandom(7)
  const words = 'a,b,c,d'
  const draws = { template: ['1:[filewords]', '2:[filewords]'], shufflesTags: true, tagDropOut: 0.25 }
  const texts = Array.from({ length: 2000 }, () => drawText('zkz', words, draws, random).split(':'))
  expect(texts.filter(([line]) => line === '1').length / 2000).toBeCloseTo(0.5, 1)
  const kept = texts.map(([, tags]) => tags!.split(',').filter((tag) => tag !== ''))
  for (const tag of words.split(',')) {
    expect(kept.filter((tags) => tags.includes(tag)).length / 2000).toBeCloseTo(0.75, 1)
  }
  const whole = kept.filter(({ length }) => length === 4)
  expect(whole.filter(([first]) => first === 'd').length / whole.length).toBeCloseTo(0.25, 1)
})

test('templates: a file of the data folder wins over the one that is always there', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'athanor-templates-'))
  mkdirSync(join(dataDir, templateFolder))
  writeFileSync(join(dataDir, templateFolder, 'style.txt'), '\ufeff[name] 一\r\n\r\n  two [filewords]  \n')
  writeFileSync(join(dataDir, templateFolder, 'blank.txt'), ' \n\n')
  expect(readTemplate(dataDir, 'style.txt')).toEqual(['[name] 一', 'two [filewords]'])
  expect(() => readTemplate(dataDir, 'blank.txt')).toThrow(/has no lines/)
  for (const name of ['style_filewords.txt', 'subject.txt', 'subject_filewords.txt', 'none.txt']) {
    const lines = readTemplate(dataDir, name)
    expect(lines.every((line) => line.includes('[name]'))).toBe(true)
    expect(lines.every((line) => line.includes('[filewords]') === name.includes('filewords'))).toBe(true)
  }
  expect(readTemplate(dataDir, 'hypernetwork.txt').every((line) => line.includes('[filewords]'))).toBe(true)
  for (const name of ['', '..', '../x', 'a/b', '.hidden', 'x\0']) {
    expect(() => readTemplate(dataDir, name)).toThrow(/expected the name of a file/)
  }
  rmSync(dataDir, { recursive: true })
})
