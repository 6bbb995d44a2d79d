import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { type Merge, mergeCheckpoints, mergePath } from './mergeCheckpoints.ts'

const conv = 'model.diffusion_model.input_blocks.0.0.weight'
const attention = 'model.diffusion_model.out.weight'
let folder: string
let count = 0
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-merge-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(tensors: Record<string, readonly [shape: number[], values: number[]]>): string {
  const path = join(folder, `${count++}.safetensors`)
  const entries = Object.entries(tensors).map(([name, [shape, values]]) => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer)
    return { name, dtype: 'F32' as const, shape, sizeBytes: bytes.length, location: { bytes } }
  })
  writeSafetensors(path, entries)
  return path
}

const plain = {
  secondary: undefined,
  tertiary: undefined,
  half: false,
  vae: undefined,
  discard: undefined,
  multiplier: 0.25,
}

function made(merge: Partial<Merge> & Pick<Merge, 'primary' | 'method'>) {
  const path = join(folder, `${count++}-made.safetensors`)
  mergeCheckpoints({ ...plain, ...merge }, path)
  const { entries } = openWeights(path)
  return new Map([...entries].map(([name, entry]) => [name, { dtype: entry.dtype, data: [...readWeight(entry).data] }]))
}

test('a weighted sum lies between its checkpoints; what one alone has is taken over', () => {
  const primary = file({ [attention]: [[2], [1, 2]], 'model.own': [[1], [5]], other: [[1], [7]] })
  const secondary = file({
    [attention]: [[2], [5, -2]],
    'model.theirs': [[1], [9]],
    other: [[1], [1]],
    more: [[1], [1]],
  })
  const result = made({ primary, secondary, method: 'weighted sum' })
  expect(result.get(attention)!.data).toEqual([2, 1])
  expect(result.get('model.own')!.data).toEqual([5])
  expect(result.get('model.theirs')!.data).toEqual([9])
  expect(result.get('other')!.data).toEqual([7])
  expect(result.has('more')).toBe(false)
})

test('a difference is added; what the third lacks makes none', () => {
  const primary = file({ [attention]: [[2], [1, 2]], 'model.x': [[1], [3]] })
  const secondary = file({ [attention]: [[2], [5, -2]], 'model.x': [[1], [8]] })
  const tertiary = file({ [attention]: [[2], [1, 2]] })
  const result = made({ primary, secondary, tertiary, method: 'add difference', multiplier: 0.5 })
  expect(result.get(attention)!.data).toEqual([3, 0])
  expect(result.get('model.x')!.data).toEqual([3])
})

test('of an inpainting model only the channels of pictures are merged', () => {
  const primary = file({
    [conv]: [
      [2, 3, 1, 1],
      [1, 1, 7, 1, 1, 8],
    ],
  })
  const secondary = file({
    [conv]: [
      [2, 2, 1, 1],
      [5, 5, 9, 9],
    ],
  })
  expect(made({ primary, secondary, method: 'weighted sum' }).get(conv)!.data).toEqual([2, 2, 7, 3, 3, 8])
  expect(() => made({ primary: secondary, secondary: primary, method: 'weighted sum' })).toThrow(
    expect.objectContaining({ code: 'wrong-architecture', field: 'secondary' }),
  )
})

test('a conversion halves, bakes a VAE in and leaves out what is not wanted', () => {
  const primary = file({ [attention]: [[1], [1.5]], 'first_stage_model.a': [[1], [1]], 'model_ema.x': [[1], [2]] })
  const vae = file({ a: [[1], [4]] })
  const result = made({ primary, method: 'no interpolation', half: true, vae, discard: /^model_ema\./ })
  expect([...result.keys()].sort()).toEqual(['first_stage_model.a', attention].sort())
  expect(result.get(attention)).toEqual({ dtype: 'F16', data: [1.5] })
  expect(result.get('first_stage_model.a')!.data).toEqual([4])
})

test('what is missing, does not fit or is there already is refused', () => {
  const primary = file({ [attention]: [[1], [1]] })
  const secondary = file({ [attention]: [[2], [1, 1]] })
  expect(() => made({ primary, method: 'weighted sum' })).toThrow(expect.objectContaining({ field: 'secondary' }))
  expect(() => made({ primary, secondary, method: 'weighted sum' })).toThrow(
    expect.objectContaining({ code: 'wrong-architecture' }),
  )
  expect(() => mergeCheckpoints({ ...plain, primary, method: 'no interpolation' }, primary)).toThrow(
    expect.objectContaining({ code: 'conflict' }),
  )
  for (const name of ['../x', 'a/b', '', '.x']) expect(() => mergePath(folder, name)).toThrow(expect.anything())
})
