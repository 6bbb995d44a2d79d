import { mixed } from '../image/composite.ts'
import { crop, type L8, pasted, picture, type Rgb8 } from '../image/picture.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** How a picture is cut: squares of `size` pixels, neighbours of which share `overlap`. A size of 0 leaves it whole. */
export interface PictureTiling {
  readonly size: number
  readonly overlap: number
}

/** Runs an upscaler's graph: `picture` [1, 3, h, w] → `enlarged` [1, 3, scale·h, scale·w]. */
export type Enlarge = (pixels: Tensor) => Promise<Tensor>

/**
 * Enlarges a picture tile by tile, as A1111 does: tiles are spread evenly, rounded to bytes, and each is laid over
 * those before it, fading in across the overlap. What of a tile lies outside a small picture is black. `multiple` is
 * what the network wants its sides divisible by.
 */
export async function upscaleInTiles(
  source: Rgb8,
  { size, overlap }: PictureTiling,
  multiple: number,
  enlarge: Enlarge,
): Promise<Rgb8> {
  const run = (tile: Rgb8) => enlargeTile(tile, multiple, enlarge)
  if (size <= 0) return run(source)
  const shared = Math.min(overlap, size - 1)
  const lefts = starts(source.width, size, shared)
  const tops = starts(source.height, size, shared)

  let joined: Rgb8 | undefined
  for (const top of tops) {
    let row: Rgb8 | undefined
    for (const left of lefts) {
      const tile = await run(crop(source, { left, top, right: left + size, bottom: top + size }))
      const scale = tile.width / size
      row ??= picture(3, source.width * scale, tile.height)
      row = laidOver(row, tile, { at: left * scale, overlap: shared * scale, along: 'x' })
    }
    const scale = row!.height / size
    joined ??= picture(3, source.width * scale, source.height * scale)
    joined = laidOver(joined, row!, { at: top * scale, overlap: shared * scale, along: 'y' })
  }
  return joined!
}

/** Where tiles begin along a side. A side shorter than a tile begins outside the picture and ends with it. */
function starts(length: number, size: number, overlap: number): readonly number[] {
  const count = Math.max(1, Math.ceil((length - overlap) / (size - overlap)))
  const step = count > 1 ? (length - size) / (count - 1) : 0
  return Array.from({ length: count }, (_, i) => Math.min(Math.trunc(i * step), length - size))
}

/** A strip laid over a picture along an axis; the first is laid whole, the others fade in. */
function laidOver(
  target: Rgb8,
  strip: Rgb8,
  { at, overlap, along }: { at: number; overlap: number; along: 'x' | 'y' },
): Rgb8 {
  const place = (part: Rgb8, from: number) =>
    along === 'x' ? pasted(target, part, from, 0) : pasted(target, part, 0, from)
  if (at <= 0 || overlap === 0) return place(strip, at)
  const edge = (of: Rgb8, from: number) => {
    const { width, height } = strip
    return along === 'x'
      ? crop(of, { left: from, top: 0, right: from + overlap, bottom: height })
      : crop(of, { left: 0, top: from, right: width, bottom: from + overlap })
  }
  const solid = place(strip, at)
  const faded = mixed(edge(target, at), edge(strip, 0), fade(strip, overlap, along))
  return along === 'x' ? pasted(solid, faded, at, 0) : pasted(solid, faded, 0, at)
}

/** A mask that rises from 0 across the overlap. */
function fade({ width, height }: Rgb8, overlap: number, along: 'x' | 'y'): L8 {
  const level = Uint8Array.from({ length: overlap }, (_, i) => Math.trunc((i * 255) / overlap))
  if (along === 'x')
    return picture(
      1,
      overlap,
      height,
      Uint8Array.from({ length: overlap * height }, (_, i) => level[i % overlap]!),
    )
  return picture(
    1,
    width,
    overlap,
    Uint8Array.from({ length: width * overlap }, (_, i) => level[Math.trunc(i / width)]!),
  )
}

async function enlargeTile(tile: Rgb8, multiple: number, enlarge: Enlarge): Promise<Rgb8> {
  const whole = padded(tile, multiple)
  const enlarged = fromUnit(await enlarge(toUnit(whole)))
  const scale = enlarged.width / whole.width
  return crop(enlarged, { left: 0, top: 0, right: tile.width * scale, bottom: tile.height * scale })
}

/** A picture continued by its reflection to sides divisible by `multiple`. */
function padded(source: Rgb8, multiple: number): Rgb8 {
  const side = (length: number) => Math.ceil(length / multiple) * multiple
  const [width, height] = [side(source.width), side(source.height)]
  if (width === source.width && height === source.height) return source
  const result = picture(3, width, height)
  const reflected = (at: number, length: number) => Math.max(0, at < length ? at : 2 * (length - 1) - at)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (reflected(y, source.height) * source.width + reflected(x, source.width)) * 3
      result.data.set(source.data.subarray(from, from + 3), (y * width + x) * 3)
    }
  }
  return result
}

/** The reference hands upscalers blue first, whatever they were trained on. */
const planeOf = [2, 1, 0] as const

function toUnit({ width, height, data }: Rgb8): Tensor {
  const area = width * height
  const values = new Float32Array(3 * area)
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) values[planeOf[c]! * area + i] = data[i * 3 + c]! / 255
  return { shape: [1, 3, height, width], data: values }
}

function fromUnit({ shape, data }: Tensor): Rgb8 {
  const [, , height, width] = shape as [number, number, number, number]
  const area = width * height
  const result = picture(3, width, height)
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) {
      const unit = Math.min(1, Math.max(0, data[planeOf[c]! * area + i]!))
      result.data[i * 3 + c] = Math.round(Math.fround(255 * unit))
    }
  }
  return result
}
