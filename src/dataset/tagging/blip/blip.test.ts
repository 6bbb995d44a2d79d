import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { numbers } from '../../../../test/models/numbered.ts'
import { numberedFile } from '../../../../test/models/numberedFile.ts'
import { tinyBlip, writeTinyBlip } from '../../../../test/models/tinyBlip.ts'
import { readWeight } from '../../../files/readWeight.ts'
import { writeSafetensors } from '../../../files/writeSafetensors.ts'
import { filled, picture } from '../../../image/picture.ts'
import { detectBlip } from '../../../models/blip.ts'
import { pictureGraph, wordGraph } from '../../../models/blipGraphs.ts'
import { compile } from '../../../runtime/compile.ts'
import { findBlip } from './findBlip.ts'
import { nucleus } from './nucleus.ts'
import { blipInput, openBlip, reader, usualCaptioning } from './openBlip.ts'
import { restrained, type Search, writeSentence } from './writeSentence.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-blip-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const options = { residence: 'mapped', threads: 1 } as const
const beams = (count: number) => ({ kind: 'beams', beams: count }) as const

describe.each(['salesforce', 'transformers'] as const)('sentences by a BLIP with the names of %s', (layout) => {
  const { file, sep, prompt, captions } = tinyBlip(layout)

  test.each(captions.map((asked) => [JSON.stringify({ ...asked, ids: undefined }), asked] as const))(
    'are those that transformers finds: %s',
    async (_, { num_beams, min_length, max_length, repetition_penalty, ids }) => {
      const model = detectBlip(file)
      const eye = await compile(pictureGraph(model), options)
      const pen = await compile(wordGraph(model), options)
      const seen = await eye.run({ picture: numbers('picture', [1, 3, 32, 32]) })
      const search: Search = {
        minLength: min_length,
        maxLength: max_length,
        repetitionPenalty: repetition_penalty,
        by: beams(num_beams),
      }
      expect(await writeSentence(reader(pen, seen, model), { start: prompt, end: sep }, search)).toEqual(ids)
      await eye.dispose()
      await pen.dispose()
    },
  )
})

describe('drawing words', () => {
  const search = { minLength: 0, maxLength: 20, repetitionPenalty: 1.1 }

  test('is among those that transformers leaves, with its chances', () => {
    const { golden } = tinyBlip('salesforce')
    const expected = readWeight(golden.entries.get('nucleus')!).data
    const scores = numbers('chances', [1, 62]).data.map((value) => Math.fround(value * 6))
    const seen = [60, 5, 9, 30, 17]
    const chances = nucleus(restrained(scores, seen, 3, { ...search, by: beams(1) }), 0.9)
    expect(chances).toHaveLength(expected.filter((chance) => chance > 0).length)
    for (const { token, chance } of chances) expect(chance).toBeCloseTo(expected[token]!, 5)
  })

  test('follows these chances, and repeats itself by the seed', async () => {
    // Whatever was read, token 1 has 0.6, token 2 0.3 and token 0, which ends, 0.1: outside a nucleus of 0.9.
    const scores = Float32Array.of(0.1, 0.6, 0.3).map(Math.log)
    const draw = (seed: number, topP: number) =>
      writeSentence(
        async () => [scores],
        { start: [1], end: 0 },
        {
          ...{ minLength: 0, maxLength: 4001, repetitionPenalty: 1 },
          by: { kind: 'nucleus', topP, seed },
        },
      )
    const sentence = await draw(42, 0.89)
    expect(sentence).toHaveLength(4001)
    const share = sentence.slice(1).filter((token) => token === 1).length / 4000
    // Four standard deviations of 4000 draws of chance 2/3.
    expect(Math.abs(share - 2 / 3)).toBeLessThan(4 * Math.sqrt(2 / 9 / 4000))
    expect(await draw(42, 0.89)).toEqual(sentence)
    expect(await draw(43, 0.89)).not.toEqual(sentence)
    expect((await draw(42, 1)).at(-1)).toBe(0)
  })
})

describe('a BLIP of the disk', () => {
  const white = filled(3, 40, 20, [255, 255, 255])

  test('sees the whole picture at its own size, by CLIP’s means and deviations', () => {
    const { shape, data } = blipInput(white, 8)
    expect(shape).toEqual([1, 3, 8, 8])
    for (const [c, value] of [
      (1 - 0.48145466) / 0.26862954,
      (1 - 0.4578275) / 0.26130258,
      (1 - 0.40821073) / 0.27577711,
    ].entries()) {
      expect(data[c * 64]).toBeCloseTo(value, 5)
    }
    // Stretched, not cropped: a left half stays a left half.
    const half = picture(
      3,
      40,
      20,
      white.data.map((_, i) => ((i / 3) % 40 < 20 ? 255 : 0)),
    )
    const row = [...blipInput(half, 8).data.subarray(0, 8)].map((value) => value > 0)
    expect(row).toEqual([true, true, true, true, false, false, false, false])
  })

  test('writes words of its vocabulary, without the prompt', async () => {
    const path = writeTinyBlip(join(root, 'whole'))
    const asked = { ...usualCaptioning, prompt: 'w5 W9  w30', maxLength: 12 }
    const blip = await openBlip(path, asked, { threads: 1 })
    const caption = await blip.caption(white)
    expect(caption).toMatch(/^w\d+( w\d+)*$/)
    expect(await blip.caption(white)).toBe(caption)
    await blip.dispose()
    const drawn = { ...asked, repetitionPenalty: 1.1, by: { kind: 'nucleus', topP: 0.9, seed: 42 } } as const
    const drawing = await openBlip(path, drawn, { threads: 1 })
    expect(await drawing.caption(white)).toBe(await drawing.caption(white))
    await drawing.dispose()
  })

  test('without a vocabulary beside it has BERT’s', async () => {
    const { weights } = tinyBlip('transformers')
    const path = join(root, 'bert.safetensors')
    const cat = 4937
    const { entries } = numberedFile(path, {
      ...weights,
      'text_decoder.bert.embeddings.word_embeddings.weight': [30524, 128],
      'text_decoder.cls.predictions.bias': [30524],
    })
    const bias = new Float32Array(30524)
    // Nothing outweighs a hundred: every word is a cat, as there is no room for an end.
    bias[cat] = 100
    const bytes = new Uint8Array(bias.buffer)
    const name = 'text_decoder.cls.predictions.bias'
    writeSafetensors(
      path,
      [...entries.values()].map((entry) => (entry.name === name ? { ...entry, location: { bytes } } : entry)),
    )
    // `[DEC] a picture of` are four tokens, which leaves three.
    const blip = await openBlip(path, { ...usualCaptioning, maxLength: 7 }, { threads: 1 })
    expect(await blip.caption(white)).toBe('cat cat cat')
    await blip.dispose()
  })

  test('is found by its file, or in a folder without a tagger', () => {
    const folder = join(root, 'found')
    const path = writeTinyBlip(folder)
    expect(findBlip(path)).toBe(path)
    expect(findBlip(folder)).toBe(path)
    copyFileSync(path, join(folder, 'other.pth'))
    expect(findBlip(folder)).toBe(path)
    rmSync(path)
    expect(findBlip(folder)).toBe(join(folder, 'other.pth'))
    copyFileSync(join(folder, 'other.pth'), join(folder, 'another.pth'))
    expect(() => findBlip(folder)).toThrow('found another.pth, other.pth')
    writeFileSync(join(folder, 'model.onnx'), '')
    expect(findBlip(folder)).toBeUndefined()
    expect(findBlip(join(folder, 'model.onnx'))).toBeUndefined()
    expect(findBlip(join(root, 'nowhere'))).toBeUndefined()
  })

  test.each([
    [
      'no vocabulary of its own',
      (folder: string) => rmSync(join(folder, 'vocab.txt')),
      'knows 62 tokens, but BERT’s vocabulary, as there is no vocab.txt',
    ],
    [
      'another one',
      (folder: string) => writeFileSync(join(folder, 'vocab.txt'), '[PAD]\n[SEP]\n'),
      'but vocab.txt beside it gives 4',
    ],
    [
      'one without an end',
      (folder: string) => writeFileSync(join(folder, 'vocab.txt'), 'w\n'.repeat(60)),
      'has no [SEP]',
    ],
    [
      'half a file',
      (folder: string) => writeFileSync(join(folder, 'model.safetensors'), new Uint8Array(40)),
      'model.safetensors',
    ],
    [
      'another model',
      (folder: string) => writeSafetensors(join(folder, 'model.safetensors'), []),
      'is no BLIP that captions pictures',
    ],
  ])('with %s is refused by name', async (title, spoil, problem) => {
    const folder = join(root, title)
    const path = writeTinyBlip(folder)
    spoil(folder)
    await expect(openBlip(path, usualCaptioning, { threads: 1 })).rejects.toThrow(
      expect.objectContaining({ name: 'StudioError', message: expect.stringContaining(problem) }),
    )
  })

  test.each([
    [{ maxLength: 75 }, 'max length: 75 tokens, this model writes at most 40'],
    [{ maxLength: 20, minLength: 21 }, 'min length: 21'],
    [{ maxLength: 3, minLength: 1, prompt: 'w5 w9' }, 'prompt: 3 tokens, expected fewer than the greatest length 3'],
    [{ maxLength: 20, by: beams(0) }, 'beams: 0'],
    [{ maxLength: 20, by: { kind: 'nucleus', topP: 1.5, seed: 1 } as const }, 'top p: 1.5'],
    [{ maxLength: 20, repetitionPenalty: 0 }, 'repetition penalty: 0'],
  ])('is not asked what it cannot do: %j', async (asked, problem) => {
    const path = writeTinyBlip(join(root, 'asked'))
    await expect(openBlip(path, { ...usualCaptioning, ...asked }, { threads: 1 })).rejects.toThrow(problem)
  })
})
