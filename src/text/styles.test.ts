import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyStyles, extractStyles, formatStyles, parseStyles } from './styles.ts'

describe('styles.csv', () => {
  test('is read by column names, with byte-order mark, quotes, line ends and old columns', () => {
    const csv =
      '\ufeffname,prompt,negative_prompt\r\nplain,a,b\r\n"quoted, name","say ""hi""\nthere",\r\n#remark,x,y\r\n'
    expect(parseStyles(csv)).toEqual([
      { name: 'plain', prompt: 'a', negativePrompt: 'b' },
      { name: 'quoted, name', prompt: 'say "hi"\nthere', negativePrompt: '' },
    ])
    expect(parseStyles('name,text\nold,a b\n')).toEqual([{ name: 'old', prompt: 'a b', negativePrompt: '' }])
    expect(parseStyles('')).toEqual([])
  })
  test('of two styles of one name has the later', () => {
    expect(parseStyles('name,prompt\na,1\nb,2\na,3\n').map(({ prompt }) => prompt)).toEqual(['3', '2'])
  })
  test('is written as it is read', () => {
    const style = fc.record({
      name: fc.string({ minLength: 1 }).filter((name) => !name.startsWith('#')),
      prompt: fc.string({ unit: fc.constantFrom(...'a,"\n\r 猫') }),
      negativePrompt: fc.string(),
    })
    const styles = fc.uniqueArray(style, { selector: ({ name }) => name })
    fc.assert(
      fc.property(styles, (some) => {
        expect(parseStyles(formatStyles(some))).toEqual(some)
      }),
    )
  })
  test('may be any text', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'",\r\na ') }), (text) => void parseStyles(text)))
  })
})

describe('against the web UI', () => {
  interface Case {
    readonly styles: readonly [name: string, prompt: string, negative: string][]
    readonly prompt: string
    readonly negative: string
    readonly applied: [string, string]
    readonly extracted: unknown
    readonly found: unknown
  }
  const cases: Case[] = JSON.parse(readFileSync(new URL('goldens/styles.json', import.meta.url), 'utf8'))
  test('styles are added and found alike', () => {
    for (const { styles: rows, prompt, negative, applied, extracted, found } of cases) {
      const styles = rows.map(([name, positive, negativePrompt]) => ({ name, prompt: positive, negativePrompt }))
      const extract = (positive: string, negativePrompt: string) => {
        const { names, ...rest } = extractStyles(positive, negativePrompt, styles)
        return [names, rest.prompt, rest.negativePrompt]
      }
      expect(
        applyStyles(
          prompt,
          styles.map((style) => style.prompt),
        ),
      ).toBe(applied[0])
      expect(
        applyStyles(
          negative,
          styles.map((style) => style.negativePrompt),
        ),
      ).toBe(applied[1])
      expect(extract(...applied)).toEqual(extracted)
      expect(extract(prompt, negative)).toEqual(found)
    }
  })
})

test('a style may hold what looks like a pattern of replacement', () => {
  expect(applyStyles('$& $1', ['<{prompt}>'])).toBe('<$& $1>')
})
