import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { StudioError } from '../errors.ts'
import { hypernetworkTags, loraTags, parseExtraNetworks } from './extraNetworks.ts'

const loras = (prompt: string) => loraTags(parseExtraNetworks(prompt).networks)

describe('tags', () => {
  test('leave the prompt, and nothing else does', () => {
    expect(parseExtraNetworks('a <lora:x:1> b <b> <:y> <z:> <lo-ra:x:1>').text).toBe('a  b <b> <:y> <z:> <lo-ra:x:1>')
  })
  test('agree with those recorded from the web UI', () => {
    const cases: { text: string; networks: unknown }[] = JSON.parse(
      readFileSync(new URL('goldens/syntax.json', import.meta.url), 'utf8'),
    )
    for (const { text, networks: recorded } of cases) {
      const { text: rest, networks } = parseExtraNetworks(text)
      const byKind: Record<string, unknown[]> = {}
      for (const { kind, args, named } of networks) {
        byKind[kind] ??= []
        byKind[kind].push([args, Object.fromEntries(named)])
      }
      expect({ text: rest, networks: byKind }, text).toEqual(recorded)
    }
  })
  test.each([
    ['openers', '<lora:a'.repeat(200_000)],
    ['empty tags', '<a:>'.repeat(250_000)],
    ['a long word', `<${'a'.repeat(1 << 20)}`],
  ])('hostile %s take time in proportion to their length', (_, prompt) => {
    const start = process.cpuUsage()
    expect(parseExtraNetworks(prompt).networks).toEqual([])
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10)
  })
})

describe('a LoRA’s strengths', () => {
  const strengths = (prompt: string) => loras(prompt).map(({ textEncoder, unet, dyn }) => [textEncoder, unet, dyn])
  test.each([
    ['<lora:x>', [1, 1, undefined]],
    ['<lora:x:0.5>', [0.5, 0.5, undefined]],
    ['<lora:x:0.5:0.8>', [0.5, 0.8, undefined]],
    ['<lora:x:0.5:0.8:4>', [0.5, 0.8, 4]],
    ['<lora:x:te=0.3>', [0.3, 0.3, undefined]],
    ['<lora:x:1:unet=0.2:dyn=8>', [1, 0.2, 8]],
    ['<lyco:x:-1>', [-1, -1, undefined]],
  ])('%s', (tag, expected) => {
    expect(strengths(tag)).toEqual([expected])
  })
  test('keep the order of the tags, and block weights as they are written', () => {
    expect(loras('<lora:b:1:lbw=INALL> <hypernet:h> <lora:a:1>')).toMatchObject([
      { name: 'b', blockWeights: 'INALL' },
      { name: 'a', blockWeights: undefined },
    ])
  })
  test.each(['<lora:x:abc>', '<lora:x: >', '<lora:x:1:unet=>', '<lora:x:nan>'])('%s is refused by name', (tag) => {
    expect(() => loras(tag)).toThrow(StudioError)
    expect(() => loras(tag)).toThrow(/<lora:x>.*expected a number/)
  })
})

test('a hypernetwork’s strength is 1 unless given', () => {
  const { networks } = parseExtraNetworks('<hypernet:a> <hypernet:b:0.4> <lora:c:1>')
  expect(hypernetworkTags(networks)).toEqual([
    { name: 'a', strength: 1 },
    { name: 'b', strength: 0.4 },
  ])
})
