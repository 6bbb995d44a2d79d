import { createHash } from 'node:crypto'
import { StudioError } from '../errors.ts'
import { type L8, type Picture, picture, type Rgb8, type Rgba8 } from './picture.ts'

/** v/255 rounded, in the integer arithmetic imaging libraries share; exact for 0 ≤ v ≤ 65535. */
export function divideBy255(v: number): number {
  const biased = v + 128
  return ((biased >> 8) + biased) >> 8
}

/** RGB of any picture: grey is repeated, alpha is dropped. */
export function toRgb(source: Picture): Rgb8 {
  if (source.channels === 3) return source as Rgb8
  const result = picture(3, source.width, source.height)
  const green = source.channels === 1 ? 0 : 1
  const blue = source.channels === 1 ? 0 : 2
  for (let i = 0, o = 0; i < source.data.length; i += source.channels, o += 3) {
    result.data[o] = source.data[i]!
    result.data[o + 1] = source.data[i + green]!
    result.data[o + 2] = source.data[i + blue]!
  }
  return result
}

/** Grey by ITU-R 601 luma, rounded in 16-bit fixed point: (19595 R + 38470 G + 7471 B) / 65536. */
export function toL(source: Picture): L8 {
  if (source.channels === 1) return source as L8
  const result = picture(1, source.width, source.height)
  for (let i = 0, o = 0; i < source.data.length; i += source.channels, o++) {
    const luma = source.data[i]! * 19595 + source.data[i + 1]! * 38470 + source.data[i + 2]! * 7471
    result.data[o] = (luma + 0x8000) >> 16
  }
  return result
}

/** RGB of `source` with `alpha` as its transparency. */
export function withAlpha(source: Picture, alpha: L8): Rgba8 {
  const { width, height } = source
  if (alpha.width !== width || alpha.height !== height) {
    throw new Error(`internal: ${alpha.width}x${alpha.height} alpha for a ${width}x${height} picture`)
  }
  const rgb = toRgb(source)
  const result = picture(4, width, height)
  for (let i = 0; i < width * height; i++) {
    result.data[i * 4] = rgb.data[i * 3]!
    result.data[i * 4 + 1] = rgb.data[i * 3 + 1]!
    result.data[i * 4 + 2] = rgb.data[i * 3 + 2]!
    result.data[i * 4 + 3] = alpha.data[i]!
  }
  return result
}

/** The alpha channel as a picture of its own. */
export function alphaOf(source: Rgba8): L8 {
  const result = picture(1, source.width, source.height)
  for (let i = 0; i < result.data.length; i++) result.data[i] = source.data[i * 4 + 3]!
  return result
}

/** Channels of a colour written `#rgb` or `#rrggbb`. */
export function parseColor(text: string): readonly [number, number, number] {
  const digits = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text.trim())?.[1]
  if (digits === undefined) throw new StudioError('bad-request', `colour "${text}": expected #rgb or #rrggbb`)
  const size = digits.length / 3
  const channel = (index: number) => {
    const part = digits.slice(index * size, (index + 1) * size)
    return Number.parseInt(size === 1 ? part + part : part, 16)
  }
  return [channel(0), channel(1), channel(2)]
}

/** The picture over a background colour (`#rrggbb`): RGB without transparency. */
export function flatten(source: Picture, background: string): Rgb8 {
  if (source.channels !== 4) return toRgb(source)
  const color = parseColor(background)
  const result = picture(3, source.width, source.height)
  for (let i = 0; i < source.width * source.height; i++) {
    const alpha = source.data[i * 4 + 3]!
    for (let c = 0; c < 3; c++) {
      result.data[i * 3 + c] = divideBy255(source.data[i * 4 + c]! * alpha + color[c]! * (255 - alpha))
    }
  }
  return result
}

/** MD5 of the raw pixel bytes, in hex: what `Init image hash` records. */
export function md5OfPixels(source: Picture): string {
  return createHash('md5').update(source.data).digest('hex')
}
