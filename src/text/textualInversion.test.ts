import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { picture } from '../image/picture.ts'
import { type Tensor, zeros } from '../tensor/tensor.ts'
import { embeddingFromPixels, embeddingFromText } from './pictureEmbedding.ts'
import { embeddingOf } from './textualInversion.ts'

const tensors = (shapes: Record<string, readonly number[]>): ReadonlyMap<string, Tensor> =>
  new Map(Object.entries(shapes).map(([key, shape]) => [key, zeros(shape)]))

const read = (shapes: Record<string, readonly number[]>) =>
  embeddingOf('e', 'e.pt', tensors(shapes), (stored) => stored)

describe('an embedding in a file', () => {
  test.each([
    ['tinyemb.pt', [2, 96]],
    ['negtiny.safetensors', [5, 96]],
  ])('%s, as recorded requests use it', (file, shape) => {
    const path = fileURLToPath(new URL(`../../test/golden/models/embeddings/${file}`, import.meta.url))
    const [name = ''] = file.split('.')
    expect(embeddingOf(name, path, openWeights(path).entries, readWeight)).toMatchObject({ name, vectors: { shape } })
  })
  test('is the parameter of the web UI, whatever else lies beside it', () => {
    expect(read({ 'string_to_param.*': [3, 8], other: [1] }).vectors.shape).toEqual([3, 8])
  })
  test('is a pair for SDXL', () => {
    const pair = read({ clip_l: [2, 768], clip_g: [2, 1280] })
    expect([pair.vectors.shape, pair.vectorsG?.shape]).toEqual([
      [2, 768],
      [2, 1280],
    ])
  })
  test('is a single tensor otherwise, of one vector perhaps', () => {
    expect(read({ '<concept>': [768] }).vectors.shape).toEqual([1, 768])
  })
  test.each([
    ['nothing', {}, /no tensor/],
    ['two tensors', { a: [1, 8], b: [1, 8] }, /holds a, b, expected/],
    ['a checkpoint', { a: [1], b: [1], c: [1], d: [1], e: [1] }, /5 tensors, the first a, b, c, d/],
    ['a picture', { a: [3, 8, 8] }, /a is \[3,8,8\], expected \[1 to 75 vectors, width\]/],
    ['no vector', { a: [0, 8] }, /a is \[0,8\], expected/],
    ['more vectors than a chunk', { a: [76, 8] }, /a is \[76,8\], expected \[1 to 75 vectors/],
    ['an odd pair', { clip_l: [2, 8], clip_g: [3, 8] }, /clip_l has 2 vectors and clip_g 3/],
  ])('is not %s', (_, shapes, message) => {
    expect(() => read(shapes)).toThrow(StudioError)
    expect(() => read(shapes)).toThrow(message)
  })
})

describe('an embedding in a picture', () => {
  const [recorded]: [{ width: number; height: number; rgb: string; text: string; vectors: number[][] }] = JSON.parse(
    readFileSync(new URL('goldens/pixels.json', import.meta.url), 'utf8'),
  )
  const hidden = picture(3, recorded.width, recorded.height, Buffer.from(recorded.rgb, 'base64'))
  const vectors = { shape: [3, 8], data: Float32Array.from(recorded.vectors.flat()) }

  test('is read from the text chunk that the web UI writes', () => {
    expect(embeddingFromText('name', 'file', recorded.text)).toEqual({ name: 'pixelated', vectors })
  })
  test('is read from the pixels that the web UI writes', () => {
    expect(embeddingFromPixels('name', 'file', hidden, inflateSync)).toEqual({ name: 'pixelated', vectors })
  })
  test('is absent from other pictures', () => {
    expect(embeddingFromPixels('name', 'file', picture(3, 40, 30), inflateSync)).toBeUndefined()
    const grey = picture(3, 40, 30, new Uint8Array(3600).fill(129))
    expect(embeddingFromPixels('name', 'file', grey, inflateSync)).toBeUndefined()
  })
  test('is refused where its bytes are damaged', () => {
    const data = Uint8Array.from(hidden.data)
    data[10 * hidden.width * 3]! ^= 1
    const damaged = picture(3, hidden.width, hidden.height, data)
    expect(() => embeddingFromPixels('name', 'file', damaged, inflateSync)).toThrow(/^file: .*does not inflate/)
  })
  test.each([
    ['%%%', /not base64/],
    [btoa('{'), /not JSON/],
    [btoa('[]'), /no string_to_param/],
    [btoa('{"string_to_param":{"*":{"TORCHTENSOR":[[1],[1,2]]}}}'), /rows of as many numbers/],
    [btoa('{"string_to_param":{"*":{"TORCHTENSOR":[]}}}'), /rows of as many numbers/],
  ])('is refused in the text %s', (text, message) => {
    expect(() => embeddingFromText('name', 'file', text)).toThrow(StudioError)
    expect(() => embeddingFromText('name', 'file', text)).toThrow(message)
  })
  test('of any text and any pixels is an embedding, nothing, or a StudioError', () => {
    const attempt = (read: () => unknown) => {
      try {
        read()
      } catch (error) {
        expect(error).toBeInstanceOf(StudioError)
      }
    }
    fc.assert(
      fc.property(fc.json(), (json) =>
        attempt(() => embeddingFromText('name', 'file', Buffer.from(json).toString('base64'))),
      ),
    )
    const pixels = fc.uint8Array({ minLength: 300, maxLength: 300 })
    fc.assert(
      fc.property(pixels, (data) =>
        attempt(() => embeddingFromPixels('name', 'file', picture(3, 20, 5, data), inflateSync)),
      ),
    )
  })
})
