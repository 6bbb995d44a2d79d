import { constants, inflateSync } from 'node:zlib'
import { z } from 'zod'
import { StudioError } from '../errors.ts'
import { toRgb } from '../image/channels.ts'
import { decodePicture } from '../image/decode.ts'
import { crop, type Rgb8 } from '../image/picture.ts'
import { isPng, pngText } from '../image/pngText.ts'
import { tensor } from '../tensor/tensor.ts'
import type { TextEmbedding } from '../text/embeddings.ts'

/** The JSON a picture carries: A1111's embedding with its tensors spelled out. */
const carried = z.object({
  name: z.string().max(1000).optional(),
  string_to_param: z.record(z.string(), z.object({ TORCHTENSOR: z.array(z.array(z.number()).max(4096)).max(75) })),
})

/** A textual inversion is some hundred kilobytes of JSON. */
const largestJson = 64 << 20

/** Reads a textual inversion from a picture: from PNG text, or from blocks of noise at its left and right. */
export async function embeddingOfPicture(name: string, path: string, bytes: Uint8Array): Promise<TextEmbedding> {
  const text = isPng(bytes) ? pngText(bytes).find(([key]) => key === 'sd-ti-embedding')?.[1] : undefined
  const json =
    text === undefined
      ? fromPixels(path, toRgb(await decodePicture(bytes)))
      : Buffer.from(text, 'base64').toString('utf8')
  const parsed = carried.safeParse(parseJson(path, json))
  const rows = parsed.success ? Object.values(parsed.data.string_to_param)[0]?.TORCHTENSOR : undefined
  const width = rows?.[0]?.length
  if (!parsed.success || !rows || !width || rows.some((row) => row.length !== width)) throw notOne(path)
  return { name: parsed.data.name ?? name, vectors: tensor(rows.flat(), [rows.length, width]) }
}

/**
 * Picture cards carry their data in the low four bits of two blocks, the bytes' low halves left of the picture and the
 * high halves right of it, each set apart by a black column and scrambled with a fixed sequence.
 */
function fromPixels(path: string, card: Rgb8): string {
  const { data, width, height } = withoutBlackBorder(card)
  const isBlack = (x: number) => {
    for (let y = 0; y < height; y++) {
      for (let c = 0; c < 3; c++) if ((data[(y * width + x) * 3 + c]! & 0x0f) !== 0) return false
    }
    return true
  }
  const columns = Array.from({ length: width }, (_, x) => x)
  const first = columns.find(isBlack)
  const last = columns.findLast(isBlack)
  if (first === undefined || last === undefined || first === last) throw notOne(path)

  const low = unscrambled(crop({ channels: 3, width, height, data }, { left: 0, top: 0, right: first, bottom: height }))
  const high = unscrambled(
    crop({ channels: 3, width, height, data }, { left: last + 1, top: 0, right: width, bottom: height }),
  )
  const packed = Buffer.alloc(Math.min(low.length, high.length))
  for (let i = 0; i < packed.length; i++) packed[i] = (high[i]! << 4) | low[i]!
  try {
    return inflateSync(packed, { maxOutputLength: largestJson, finishFlush: constants.Z_SYNC_FLUSH }).toString('utf8')
  } catch {
    throw notOne(path)
  }
}

/** The smallest part that holds every pixel without a zero channel. */
function withoutBlackBorder(card: Rgb8): Rgb8 {
  let [left, top, right, bottom] = [card.width, card.height, 0, 0]
  for (let y = 0; y < card.height; y++) {
    for (let x = 0; x < card.width; x++) {
      const at = (y * card.width + x) * 3
      if (card.data[at] === 0 || card.data[at + 1] === 0 || card.data[at + 2] === 0) continue
      left = Math.min(left, x)
      right = Math.max(right, x + 1)
      top = Math.min(top, y)
      bottom = y + 1
    }
  }
  return crop(card, { left: Math.min(left, right), top: Math.min(top, bottom), right, bottom })
}

/** The low four bits of a block after the sequence of a linear congruential generator (Numerical Recipes) is taken off. */
function unscrambled(block: Rgb8): Uint8Array {
  let state = 0
  return block.data.map((value) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (value ^ (state % 255)) & 0x0f
  })
}

function parseJson(path: string, json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw notOne(path)
  }
}

function notOne(path: string): StudioError {
  return new StudioError('bad-file', `${path}: a picture that carries no textual inversion`, { field: path })
}
