import { expect, test } from 'vitest'
import { axisValues, joinValues, splitValues } from './values.ts'

test.each([
  ['1,2,3', ['1', '2', '3']],
  ['"a, b", c', ['a, b', 'c']],
  [' spaced ,  out ', ['spaced', 'out']],
  ['', []],
  ['"say ""hi""",b', ['say "hi"', 'b']],
])('the list %s', (text, values) => {
  expect(splitValues(text)).toEqual(values)
})

test('a list comes back as it was chosen', () => {
  expect(joinValues(['Euler a', 'DDIM'])).toBe('Euler a,DDIM')
  expect(splitValues(joinValues(['a, b', 'say "hi"']))).toEqual(['a, b', 'say "hi"'])
})

// The syntax is A1111's; the numbers are those of Python's range and NumPy's arange and linspace.
test.each([
  ['1-5', 'int', [1, 2, 3, 4, 5]],
  ['1-10 (+3)', 'int', [1, 4, 7, 10]],
  ['10-1 (-3)', 'int', [10, 7, 4]],
  ['1-10 [4]', 'int', [1, 4, 7, 10]],
  ['1-10 [5]', 'int', [1, 3, 5, 7, 10]],
  ['-3--1', 'int', [-3, -2, -1]],
  ['7', 'int', [7]],
  ['0-1 [3]', 'float', [0, 0.5, 1]],
  ['1-7 (+3)', 'float', [1, 4, 7]],
  ['1.5-3', 'float', [1.5, 2.5, 3.5]],
  ['0.25', 'float', [0.25]],
  ['  ', 'float', []],
] as const)('%s as %s', (text, kind, values) => {
  expect(axisValues([text], kind, 'script_args.1')).toEqual(values)
})

test('every order of some words is an axis', () => {
  expect(axisValues(['a', 'b', 'c'], 'permutation', 'f').map((value) => (value as string[]).join(''))).toEqual([
    ...['abc', 'acb', 'bac', 'bca', 'cab', 'cba'],
  ])
})

test.each([
  ['x', 'int', 'bad-request'],
  ['1.5', 'int', 'bad-request'],
  ['1-2-3', 'float', 'bad-request'],
  ['1-9 (+0)', 'int', 'bad-request'],
  ['1-1000000', 'int', 'too-large'],
  ['0-1 [99999]', 'float', 'too-large'],
] as const)('%s as %s is refused by name', (text, kind, code) => {
  expect(() => axisValues([text], kind, 'script_args.1')).toThrow(
    expect.objectContaining({ code, field: 'script_args.1' }),
  )
})

test('more orders than anyone looks at are refused before they are listed', () => {
  const words = Array.from({ length: 12 }, (_, i) => String(i))
  expect(() => axisValues(words, 'permutation', 'f')).toThrow(expect.objectContaining({ code: 'too-large' }))
})
