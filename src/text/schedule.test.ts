import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { entryAt, parsePromptSchedule, type ScheduleOptions } from './schedule.ts'

/** Any UTF-16, paired or not. */
const anyText = fc.array(fc.nat(0xffff)).map((codes) => String.fromCharCode(...codes))

const schedule = (prompt: string, steps = 10, options: ScheduleOptions = {}) =>
  parsePromptSchedule(prompt, steps, options).map(({ until, text }) => [until, text])

describe('a prompt becomes texts with the step each lasts to', () => {
  test.each([
    [
      'a [b:3]',
      [
        [3, 'a '],
        [10, 'a b'],
      ],
    ],
    [
      'a[b:[c:d:2]:1]e',
      [
        [1, 'abe'],
        [2, 'ace'],
        [10, 'ade'],
      ],
    ],
    [
      '[(a:2):3]',
      [
        [3, ''],
        [10, '(a:2)'],
      ],
    ],
    [
      'a [[[b]]:2]',
      [
        [2, 'a '],
        [10, 'a [[b]]'],
      ],
    ],
    [
      '((a][:b:c [d:3]',
      [
        [3, '((a][:b:c '],
        [10, '((a][:b:c d'],
      ],
    ],
    [
      'a [b:.5] c',
      [
        [5, 'a  c'],
        [10, 'a b c'],
      ],
    ],
    [
      'a [b : c : 1] d',
      [
        [1, 'a b  d'],
        [10, 'a  c  d'],
      ],
    ],
    [
      'a: b [c:d:3]',
      [
        [3, 'a: b c'],
        [10, 'a: b d'],
      ],
    ],
    [
      '\\[a:b:3\\] [c:d:2]',
      [
        [2, '\\[a:b:3\\] c'],
        [10, '\\[a:b:3\\] d'],
      ],
    ],
    ['[a:b:-3]', [[10, 'b']]],
    ['[a:b:0]', [[10, 'b']]],
    ['[a:b:25]', [[10, 'a']]],
    ['[a:b:1.0]', [[10, 'a']]],
    [
      '[a:b:1e0]',
      [
        [1, 'a'],
        [10, 'b'],
      ],
    ],
    [
      'x [with::4]',
      [
        [4, 'x with'],
        [10, 'x '],
      ],
    ],
    ['', [[10, '']]],
  ])('%s', (prompt, expected) => {
    expect(schedule(prompt)).toEqual(expected)
  })

  test.each(['a | b [c:d:3]', '{a|b} [c:d:2]', '(a|b)', '[a|b:3]', '[a:b:3', 'a [b:c:2] \\', '\\\n[b:c:2]'])(
    '%s is outside the grammar or fits no rule, and stays as it is',
    (prompt) => {
      expect(schedule(prompt)).toEqual([[10, prompt]])
    },
  )

  test('alternatives take turns, empty ones too', () => {
    expect(schedule('[fe|]male', 3)).toEqual([
      [1, 'female'],
      [2, 'male'],
      [3, 'female'],
    ])
    expect(schedule('[|b]', 2)).toEqual([
      [1, ''],
      [2, 'b'],
    ])
    expect(schedule('[a|b|c]', 4).map(([, text]) => text)).toEqual(['a', 'b', 'c', 'a'])
  })

  test('a bracket that schedules does so whatever stands behind it', () => {
    expect(schedule('[a:b:3]: [c:d:5]')).toEqual([
      [3, 'a: c'],
      [5, 'b: c'],
      [10, 'b: d'],
    ])
    expect(schedule('([a:b:3]')).toEqual([
      [3, '(a'],
      [10, '(b'],
    ])
  })
})

test('a second pass counts on: whole numbers from the first pass, fractions from 1 to 2', () => {
  const hires = { hiresSteps: 4 }
  expect(schedule('[a:b:12]', 10, hires)).toEqual([
    [2, 'a'],
    [4, 'b'],
  ])
  expect(schedule('[a:b:1.5]', 10, hires)).toEqual([
    [2, 'a'],
    [4, 'b'],
  ])
  expect(schedule('[a:b:0.5] [c:d:7]', 10, hires)).toEqual([[4, 'b d']])
})

test('old scheduling takes what is below 1 for a fraction and repeats the timeline', () => {
  const old = { useOldScheduling: true }
  expect(schedule('[a:b:0.5]', 10, old)).toEqual([
    [5, 'a'],
    [10, 'b'],
  ])
  expect(schedule('[a:b:5e-1]', 10, old)).toEqual([
    [5, 'a'],
    [10, 'b'],
  ])
  expect(schedule('[a:b:1.0]', 10, old)).toEqual([
    [1, 'a'],
    [10, 'b'],
  ])
  expect(schedule('[a:b:3]', 10, { ...old, hiresSteps: 4 })).toEqual([
    [3, 'a'],
    [10, 'b'],
  ])
})

describe('the entry in force at a call', () => {
  const inForce = (prompt: string, calls: number) => {
    const entries = parsePromptSchedule(prompt, 10)
    return Array.from({ length: calls }, (_, call) => entries[entryAt(entries, call)]!.text).join('')
  }
  test('lasts one call longer than its number for the first entry', () => {
    expect(inForce('[a:b:5]', 10)).toBe('aaaaaabbbb')
    expect(inForce('[a|b]', 6)).toBe('aababa')
  })
  test('is the first again past the end', () => {
    expect(inForce('[a:b:5]', 13)).toBe('aaaaaabbbbbaa')
  })
})

test('schedules agree with those recorded from the web UI', () => {
  interface Case {
    readonly text: string
    readonly steps: number
    readonly schedule: unknown
    readonly hires: unknown
    readonly old: unknown
  }
  const cases: Case[] = JSON.parse(readFileSync(new URL('goldens/syntax.json', import.meta.url), 'utf8'))
  expect(cases.length).toBeGreaterThan(150)
  for (const { text, steps, ...recorded } of cases) {
    expect(schedule(text, steps), text).toEqual(recorded.schedule)
    expect(schedule(text, steps, { hiresSteps: 7 }), text).toEqual(recorded.hires)
    expect(schedule(text, steps, { hiresSteps: 7, useOldScheduling: true }), text).toEqual(recorded.old)
  }
})

const syntax = fc.string({ unit: fc.constantFrom(...'[[]](())::||\\ab01.5-\n猫 '), maxLength: 60 })

test('any text has a schedule that ascends to the last step', () => {
  fc.assert(
    fc.property(fc.oneof(syntax, anyText), fc.integer({ min: 1, max: 40 }), (prompt, steps) => {
      const entries = parsePromptSchedule(prompt, steps)
      expect(entries.at(-1)!.until).toBe(steps)
      for (const [i, { until }] of entries.entries()) expect(until).toBeGreaterThan(entries[i - 1]?.until ?? 0)
      for (let call = 0; call <= steps + 2; call++) expect(entries[entryAt(entries, call)]).toBeDefined()
    }),
  )
})

test('text without syntax is its own schedule', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const plain = text.replace(/[[\]():|\\]/g, '')
      expect(schedule(plain)).toEqual([[10, plain]])
    }),
  )
})

describe('hostile prompts take time in proportion to their length', () => {
  const long = 1 << 18
  test.each([
    ['nested parentheses', `${'('.repeat(10_000)}a${')'.repeat(10_000)}`],
    ['nested schedules', `${'['.repeat(10_000)}a${':b:3]'.repeat(10_000)}`],
    ['nested alternatives', `${'['.repeat(10_000)}a${'|b]'.repeat(10_000)}`],
    ['openers', '['.repeat(long)],
    ['openers and colons', '[:'.repeat(long / 2)],
    ['closers', ']'.repeat(long)],
    ['empty brackets', '[]'.repeat(long / 2)],
    ['emphasis with colons', '(a:'.repeat(long / 4)],
    ['escapes', '\\('.repeat(long / 2)],
    ['spaces', ' '.repeat(long)],
    ['alternatives', '[a|b]'.repeat(10_000)],
    ['a number', `[a:${'1'.repeat(long)}]`],
  ])('%s', (_, prompt) => {
    const start = process.cpuUsage()
    expect(parsePromptSchedule(prompt, 20).at(-1)!.until).toBe(20)
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10)
  })

  test('a schedule that would fill the memory is refused', () => {
    expect(() => parsePromptSchedule(`[a|b]${'x'.repeat(1 << 20)}`, 1000)).toThrow(/scheduled texts/)
  })
})
