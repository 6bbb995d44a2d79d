import { StudioError } from '../errors.ts'
import type { Rgb8 } from '../image/picture.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import type { TextEmbedding } from './embeddings.ts'
import { embeddingOf } from './textualInversion.ts'

/** The embedding of a PNG's text chunk `sd-ti-embedding`: JSON in base64. It is called `name` unless it says otherwise. */
export function embeddingFromText(name: string, path: string, base64: string): TextEmbedding {
  let json: string
  try {
    json = latin1(Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0)))
  } catch (cause) {
    throw bad(path, 'sd-ti-embedding is not base64', cause)
  }
  return fromJson(name, path, json)
}

/** What a PNG's text chunk `sd-ti-embedding` says of an embedding: the JSON of A1111's in base64. */
export function embeddingToText(
  { name, vectors }: TextEmbedding,
  about: Readonly<Record<string, string | number | null>>,
): string {
  const [count, width] = vectors.shape as [number, number]
  const rows = Array.from({ length: count }, (_, i) => [...vectors.data.subarray(i * width, (i + 1) * width)])
  const json = JSON.stringify({
    string_to_token: { '*': placeholderToken },
    string_to_param: { '*': { TORCHTENSOR: rows } },
    name,
    ...about,
  })
  const ascii = json.replace(/[^\0-\x7f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return btoa(ascii)
}

/** The token of `*`, which files of textual inversions say they stand in for. */
const placeholderToken = 265

/**
 * The embedding hidden in a picture's pixels, or undefined where there is none. What one sees stands between
 * two black columns; left of them the low four bits of every channel hold the low halves of the bytes of a
 * deflated JSON, right of them the high halves, both mixed with a fixed random sequence.
 */
export function embeddingFromPixels(
  name: string,
  path: string,
  picture: Rgb8,
  inflate: (bytes: Uint8Array) => Uint8Array,
): TextEmbedding | undefined {
  const nibbles = insideFrame(picture)
  const emptyColumns = [...Array(nibbles.width).keys()].filter((x) => isEmptyColumn(nibbles, x))
  const [first] = emptyColumns
  const last = emptyColumns.at(-1)
  if (first === undefined || last === undefined || first === last) return undefined
  const low = unmixed(columns(nibbles, 0, first))
  const high = unmixed(columns(nibbles, last + 1, nibbles.width))
  if (low.length !== high.length || low.length === 0) return undefined

  let json: string
  try {
    json = latin1(inflate(low.map((bits, i) => (high[i]! << 4) | bits)))
  } catch (cause) {
    throw bad(path, 'the data in its pixels does not inflate', cause)
  }
  return fromJson(name, path, json)
}

/** Rows of `width` · 3 values of four bits. */
interface Nibbles {
  readonly width: number
  readonly height: number
  readonly values: Uint8Array
}

function insideFrame({ width, height, data }: Rgb8): Nibbles {
  let [left, top, right, bottom] = [width, height, 0, 0]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3
      if (data[at] === 0 || data[at + 1] === 0 || data[at + 2] === 0) continue
      left = Math.min(left, x)
      right = Math.max(right, x + 1)
      top = Math.min(top, y)
      bottom = Math.max(bottom, y + 1)
    }
  }
  if (right === 0) return { width: 0, height: 0, values: new Uint8Array() }
  const values = new Uint8Array((right - left) * (bottom - top) * 3)
  for (let y = top; y < bottom; y++) {
    const row = data.subarray((y * width + left) * 3, (y * width + right) * 3)
    values.set(
      row.map((value) => value & 15),
      (y - top) * row.length,
    )
  }
  return { width: right - left, height: bottom - top, values }
}

function isEmptyColumn({ width, height, values }: Nibbles, x: number): boolean {
  for (let y = 0; y < height; y++) {
    const at = (y * width + x) * 3
    if (values[at] !== 0 || values[at + 1] !== 0 || values[at + 2] !== 0) return false
  }
  return true
}

function columns({ width, height, values }: Nibbles, from: number, to: number): Uint8Array {
  const taken = new Uint8Array((to - from) * height * 3)
  for (let y = 0; y < height; y++) {
    taken.set(values.subarray((y * width + from) * 3, (y * width + to) * 3), y * (to - from) * 3)
  }
  return taken
}

/** The sequence is a linear congruential generator's, modulo 255. */
function unmixed(values: Uint8Array): Uint8Array {
  let seed = 0
  return values.map((value) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return value ^ ((seed % 255) & 15)
  })
}

function fromJson(name: string, path: string, json: string): TextEmbedding {
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch (cause) {
    throw bad(path, 'its embedding is not JSON', cause)
  }
  const params = isRecord(data) ? data.string_to_param : undefined
  if (!isRecord(data) || !isRecord(params)) throw bad(path, 'its embedding has no string_to_param')
  const tensors = new Map<string, Tensor>()
  for (const [key, value] of Object.entries(params)) {
    if (isRecord(value)) tensors.set(`string_to_param.${key}`, readRows(path, value.TORCHTENSOR))
  }
  return embeddingOf(typeof data.name === 'string' ? data.name : name, path, tensors, (stored) => stored)
}

function readRows(path: string, rows: unknown): Tensor {
  const isRow = (row: unknown): row is number[] => Array.isArray(row) && row.every((value) => typeof value === 'number')
  if (!Array.isArray(rows) || !rows.every(isRow) || new Set(rows.map((row) => row.length)).size !== 1) {
    throw bad(path, 'TORCHTENSOR is not rows of as many numbers each')
  }
  return tensor(rows.flat(), [rows.length, rows[0]?.length ?? 0])
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Python writes JSON in ASCII. */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes)
}

function bad(path: string, message: string, cause?: unknown): StudioError {
  return new StudioError('bad-file', `${path}: ${message}`, { cause, field: path })
}
