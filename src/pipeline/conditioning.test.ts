import { expect, test } from 'vitest'
import { tensor } from '../tensor/tensor.ts'
import { conditionedAt, conditionOn } from './conditioning.ts'
import type { EncodeTexts } from './textEncoder.ts'

/** Encodes a text as its letters' codes, three numbers to a chunk; texts of one call are equally long. */
function letters(calls: string[][] = []): EncodeTexts {
  return async (texts) => {
    calls.push([...texts])
    const chunks = Math.max(1, ...texts.map((text) => Math.ceil(text.length / 3)))
    const contexts = texts.map((text) => {
      const codes = Array.from({ length: chunks * 3 }, (_, i) => text.charCodeAt(i) || 0)
      return tensor(Float32Array.from(codes), [codes.length, 1])
    })
    return { contexts, embeddings: texts.filter((text) => text.startsWith('#')) }
  }
}
const empty = tensor([9, 9, 9], [3, 1])
const numbers = ({ data }: { data: Float32Array }) => Array.from(data)

test('each distinct text is read once, the negative prompt first, and whole schedules together', async () => {
  const calls: string[][] = []
  const prompts = [
    { prompt: 'a AND b', negativePrompt: 'n' },
    { prompt: '[x:y:2]', negativePrompt: 'n' },
  ]
  const { cond } = await conditionOn(prompts, { steps: 4 }, letters(calls))
  expect(calls).toEqual(
    [['n'], ['a'], ['b'], ['x', 'y']].map((call) => call.map((text) => expect.stringContaining(text))),
  )
  expect(cond.map((parts) => parts.length)).toEqual([2, 1])
})

test('each call finds what its schedule says, the first entry one call longer', async () => {
  const conditioning = await conditionOn([{ prompt: '[x:y:2]', negativePrompt: '' }], { steps: 4 }, letters())
  const shown = [0, 1, 2, 3].map((call) => conditionedAt(conditioning, call, 'none', []).cond[0]![0]!.context.data[0])
  expect(shown.map((code) => String.fromCharCode(code!))).toEqual(['x', 'x', 'x', 'y'])
})

test('where every picture has a reader of its own, each is given its own encoding and its own padding', async () => {
  const prompts = [
    { prompt: 'abcdef', negativePrompt: 'n' },
    { prompt: 'abcdef', negativePrompt: 'n' },
  ]
  const own: EncodeTexts = async (texts, picture) => ({
    contexts: texts.map((text) =>
      tensor(
        Float32Array.from({ length: text.length }, () => picture),
        [text.length, 1],
      ),
    ),
    embeddings: [],
  })
  const conditioning = await conditionOn(prompts, { steps: 1 }, own, true)
  const empties = [tensor([70], [1, 1]), tensor([71], [1, 1])]
  const { cond, uncond } = conditionedAt(conditioning, 0, 'empty', empties)
  expect(cond.map(([part]) => numbers(part!.context))).toEqual([Array(6).fill(0), Array(6).fill(1)])
  expect(uncond.map(numbers)).toEqual([
    [0, 70, 70, 70, 70, 70],
    [1, 71, 71, 71, 71, 71],
  ])
})

test('embeddings are listed latest first, and brackets noticed', async () => {
  const read = (prompt: string, negativePrompt: string) =>
    conditionOn([{ prompt, negativePrompt }], { steps: 1 }, letters())
  expect((await read('#p', '#n')).embeddings).toEqual(['#p', '#n'])
  expect((await read('(p)', 'n')).hasBrackets).toBe(true)
  expect((await read('p', 'n')).hasBrackets).toBe(false)
})

test.each([
  ['abcdef', 'n', 'none', ['abcdef', 'n'], 'none'],
  ['abcdef', 'n', 'empty', ['abcdef', 'n'], 'empty'],
  ['a', 'nopqrs', 'empty', ['a', 'nopqrs'], 'empty'],
  ['a', 'nopqrs', 'last-token', ['a', 'nop'], 'last-token'],
  ['abc', 'nop', 'empty', ['abc', 'nop'], 'none'],
] as const)('%s against %s, padding %s', async (prompt, negativePrompt, padding, shown, padded) => {
  const conditioning = await conditionOn([{ prompt, negativePrompt }], { steps: 1 }, letters())
  const at = conditionedAt(conditioning, 0, padding, [empty])
  expect(at.padded).toBe(padded)
  const [cond, uncond] = [at.cond[0]![0]!.context, at.uncond[0]!]
  const text = (codes: readonly number[]) => String.fromCharCode(...codes.filter((code) => code > 9))
  expect([text(numbers(cond)), text(numbers(uncond))]).toEqual(shown)
  if (padding !== 'none') expect(cond.shape).toEqual(uncond.shape)
})

test('padding ends in empty prompts, or in the last token over again', async () => {
  const conditioning = await conditionOn([{ prompt: 'abcdef', negativePrompt: 'nop' }], { steps: 1 }, letters())
  const uncondWith = (padding: 'empty' | 'last-token') =>
    numbers(conditionedAt(conditioning, 0, padding, [empty]).uncond[0]!)
  expect(uncondWith('empty').slice(3)).toEqual([9, 9, 9])
  expect(uncondWith('last-token').slice(3)).toEqual(Array(3).fill('p'.charCodeAt(0)))
})
