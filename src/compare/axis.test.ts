import { expect, test } from 'vitest'
import type { Library } from '../pipeline/library.ts'
import { savedVersions, strengthAxis, versionAxis, withNetworkTag } from './axis.ts'
import { shown } from './measureCells.ts'

test('axes are written as in the X/Y/Z plot', () => {
  expect(versionAxis('NUM,000001, 000002', 'x')).toEqual({ searched: 'NUM', values: ['000001', '000002'] })
  expect(strengthAxis('STRENGTH,0.1,0.5,1', 'y')).toEqual({ searched: 'STRENGTH', values: [0.1, 0.5, 1] })
  expect(strengthAxis('S,0.2-0.8 (+0.2)', 'y').values).toEqual([0.2, 0.4, 0.6, 0.8])
  expect(strengthAxis('S,0..1 step 0.25', 'y').values).toEqual([0, 0.25, 0.5, 0.75, 1])
})

test.each(['NUM', '', 'NUM,1,1', `N,${Array.from({ length: 201 }, (_, i) => i).join(',')}`])(
  '%s is refused',
  (text) => {
    expect(() => versionAxis(text, 'versions')).toThrow(expect.objectContaining({ field: 'versions' }))
  },
)

test('a training’s versions come in the order they were saved, the unnumbered last, and no other network', () => {
  const stems = ['aki', 'aki-000010', 'aki-000002', 'aki-best', 'aki-step00000100', 'aki2', 'aki-thing', 'other']
  const library = { networks: () => stems.map((stem) => ({ stem })) } as unknown as Library
  expect(savedVersions(library, 'aki').values).toEqual([
    ...['aki-000002', 'aki-000010', 'aki-step00000100', 'aki', 'aki-best'],
  ])
  expect(() => savedVersions(library, 'none')).toThrow('models/Lora holds no version of "none"')
})

test('a prompt without a tag is given one', () => {
  expect(withNetworkTag('a cat', 'VERSION', 'STRENGTH')).toBe('a cat <lora:VERSION:STRENGTH>')
  expect(withNetworkTag('<lora:VERSION:0.5> a cat', 'VERSION', 'STRENGTH')).toBe('<lora:VERSION:0.5> a cat')
})

test.each([
  ['a (red:1.3) apple <lora:aki-NUM:STRENGTH>', 'a red apple'],
  ['masterpiece, [a cat], <lora:x:1>, sitting BREAK blue sky', 'masterpiece, a cat, sitting blue sky'],
  ['a NUM dog', 'a dog'],
])('%s asks to see: %s', (prompt, caption) => {
  expect(shown(prompt, 'NUM', 'STRENGTH')).toBe(caption)
})
