import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { numbers } from '../../test/models/numbered.ts'
import { numberedFile } from '../../test/models/numberedFile.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { Graph } from '../graph/value.ts'
import { Scope } from '../nn/scope.ts'
import { compile } from '../runtime/compile.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { detectBlip, visionNames } from './blip.ts'
import { blipVision, pastName, pictureGraph, wordGraph } from './blipGraphs.ts'

// Recorded by scripts/goldens/blip.py from transformers' BlipForConditionalGeneration.
const golden = openWeights(new URL('goldens/blip.safetensors', import.meta.url).pathname)
interface Case {
  readonly weights: Readonly<Record<string, readonly number[]>>
  readonly prompt: readonly number[]
}
const cases = Object.entries(JSON.parse(golden.metadata.get('cases')!) as Record<string, Case>)
const expected = (name: string) => readWeight(golden.entries.get(name)!)
const picture = numbers('picture', [1, 3, 32, 32])
const options = { residence: 'mapped', threads: 1, cacheDir: tmpdir() } as const

describe.each(cases)('a BLIP by the names of %s', (layout, { weights, prompt }) => {
  const blip = detectBlip(numberedFile(`${layout}.pth`, weights))

  test('has its dimensions from its shapes', () => {
    const { kind, epsilon, ...vision } = blip.vision
    expect([kind, epsilon]).toEqual([layout, layout === 'salesforce' ? 1e-6 : 1e-5])
    expect(vision).toEqual({ layers: 3, width: 192, mlpWidth: 224, heads: 3, patch: 8, side: 32 })
    expect(blip.text).toEqual({ layers: 2, width: 128, mlpWidth: 160, heads: 2, vocabulary: 62, positions: 40 })
  })

  test('sees a picture as the reference does', async () => {
    const graph = new Graph()
    const scope = new Scope({ graph, weights: blip.weights }).at(visionNames[blip.vision.kind].root)
    graph.output('seen', blipVision(scope, graph.input('picture', picture.shape), blip.vision))
    expect(relativeError(await runOnce(graph, { picture }), expected(`${layout} image`))).toBeLessThan(1e-5)
  })

  test('finds the words after each of a text, read one by one, as the reference does with all at once', async () => {
    const eye = await compile(pictureGraph(blip), options)
    const pen = await compile(wordGraph(blip), options)
    const seen = await eye.run({ picture })
    const nothing: Tensor = { shape: [1, 0, 128], data: new Float32Array(0) }
    let past = Object.fromEntries(['key.0', 'value.0', 'key.1', 'value.1'].map((name) => [pastName(name), nothing]))
    const logits: number[] = []
    for (const [position, token] of [...prompt, 17, 41].entries()) {
      const one = (number: number) => ({ shape: [1], data: BigInt64Array.of(BigInt(number)) })
      const results = await pen.run({ ...seen, ...past, tokens: one(token), position: one(position) })
      logits.push(...results.logits!.data)
      past = Object.fromEntries(Object.keys(past).map((name) => [name, results[name.slice('past.'.length)]!]))
    }
    await eye.dispose()
    await pen.dispose()
    const found = { shape: [1, prompt.length + 2, 62], data: Float32Array.from(logits) }
    expect(relativeError(found, expected(`${layout} logits`))).toBeLessThan(1e-5)
  })
})

test('a BLIP in the dictionary of its trainer is the same one', () => {
  const { weights } = cases.find(([layout]) => layout === 'salesforce')![1]
  const bare = numberedFile('bare.pth', weights)
  const wrapped = new Map([...bare.entries].map(([name, entry]) => [`model.${name}`, entry]))
  const blip = detectBlip({ ...bare, entries: wrapped })
  const tables = detectBlip(bare)
  expect(blip.vision).toEqual(tables.vision)
  expect(blip.weights).toEqual(tables.weights)
})

describe('what is no BLIP for captions, or a torn one, is refused', () => {
  const [, { weights }] = cases.find(([layout]) => layout === 'salesforce')!
  const detect = (shapes: Case['weights']) => detectBlip(numberedFile('other.pth', shapes))
  const without = (name: string) => {
    const { [name]: _, ...rest } = weights
    return rest
  }
  const word = 'text_decoder.bert.encoder.layer.1.attention.self.query.weight'

  test.each([
    ['another model', { 'conv_first.weight': [8, 3, 3, 3] }, 'is no BLIP that captions pictures'],
    [
      'one of retrieval',
      { 'visual_encoder.cls_token': [1, 1, 192], 'text_encoder.x': [1] },
      'is no BLIP that captions',
    ],
    ['one of questions', { ...weights, 'text_encoder.embeddings.x': [1] }, 'answers questions'],
    ['a missing table', without('visual_encoder.pos_embed'), 'visual_encoder.pos_embed: missing'],
    ['an odd grid', { ...weights, 'visual_encoder.pos_embed': [1, 16, 192] }, '16 tokens, expected a square'],
    ['an odd width', { ...weights, 'visual_encoder.patch_embed.proj.weight': [100, 3, 8, 8] }, 'a multiple of 64'],
    ['axes of a table', { ...weights, 'visual_encoder.pos_embed': [17, 192] }, 'is [17,192], expected 3 axes'],
  ])('%s', (_, shapes, problem) => {
    expect(() => detect(shapes)).toThrow(expect.objectContaining({ code: 'wrong-architecture' }))
    expect(() => detect(shapes)).toThrow(problem)
  })

  test('a layer that is missing or of another shape is named', () => {
    expect(() => wordGraph(detect(without(word)))).toThrow(`${word}: missing, expected [128, 128]`)
    expect(() => wordGraph(detect({ ...weights, [word]: [128, 64] }))).toThrow(`${word}: is [128, 64]`)
  })
})
