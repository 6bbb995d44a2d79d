import { expect, test } from 'vitest'
import { chinese } from './chinese.ts'
import { english, type Texts } from './english.ts'
import { chooseLanguage } from './language.ts'

test('what was chosen comes before what the browser prefers, and English stands in for languages without a table', () => {
  expect(chooseLanguage('zh-CN', ['en-US'])).toBe('zh-CN')
  expect(chooseLanguage('xx', ['fr-FR', 'zh-TW', 'en'])).toBe('zh-CN')
  expect(chooseLanguage(null, ['en-GB', 'zh-CN'])).toBe('en')
  expect(chooseLanguage(null, ['fr-FR'])).toBe('en')
  expect(chooseLanguage(null, [])).toBe('en')
})

test('every Chinese text is Chinese, but for names that are the same everywhere', () => {
  const said = (texts: Texts) =>
    Object.entries(texts).map(([name, text]) => [name, typeof text === 'string' ? text : text.toString()] as const)
  const foreign = said(chinese).filter(([, text]) => !/\p{Script=Han}/u.test(text))
  expect(foreign.map(([name]) => name).sort()).toEqual(['apiDocs', 'hiresSizes', 'lora', 'tokens', 'vae'])
  expect(said(english).filter(([name, text]) => name !== 'languageName' && /\p{Script=Han}/u.test(text))).toEqual([])
})
