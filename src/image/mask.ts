import type { Tensor } from '../tensor/tensor.ts'
import { alphaOf, toL } from './channels.ts'
import { gaussianBlur } from './gaussianBlur.ts'
import { type Box, crop, type L8, mapBytes, type Picture, type Rgba8 } from './picture.ts'
import { resample } from './resample.ts'
import { fitPicture, type ResizeMode } from './resizeMode.ts'

/**
 * The mask a picture means, 255 where to paint: its transparency where it has any, else its grey. With `round`,
 * transparency counts as all or nothing (above 128).
 */
export function maskOf(source: Picture, { round }: { readonly round: boolean }): L8 {
  if (source.channels !== 4) return toL(source)
  const alpha = alphaOf(source as Rgba8)
  if (alpha.data.every((value) => value === 255)) return toL(source)
  return round ? mapBytes(alpha, (value) => (value > 128 ? 255 : 0)) : alpha
}

/** The smallest box around everything not black, or undefined. */
export function boundsOf(mask: L8): Box | undefined {
  let [left, top, right, bottom] = [mask.width, mask.height, 0, 0]
  for (let y = 0; y < mask.height; y++) {
    for (let x = 0; x < mask.width; x++) {
      if (mask.data[y * mask.width + x] === 0) continue
      left = Math.min(left, x)
      right = Math.max(right, x + 1)
      top = Math.min(top, y)
      bottom = y + 1
    }
  }
  return right === 0 ? undefined : { left, top, right, bottom }
}

/**
 * The part of the picture that "only masked" works on: the mask's bounds with `padding` around, grown about its middle
 * to the proportions width : height as far as the picture allows. Undefined for an empty mask.
 */
export function cropRegion(mask: L8, padding: number, width: number, height: number): Box | undefined {
  const bounds = boundsOf(mask)
  if (bounds === undefined) return undefined
  const left = Math.max(bounds.left - padding, 0)
  const top = Math.max(bounds.top - padding, 0)
  const right = Math.min(bounds.right + padding, mask.width)
  const bottom = Math.min(bounds.bottom + padding, mask.height)
  const ratio = width / height
  if ((right - left) / (bottom - top) > ratio) {
    const missing = Math.trunc((right - left) / ratio - (bottom - top))
    const [from, to] = grown(top, bottom, missing, mask.height)
    return { left, top: from, right, bottom: to }
  }
  const missing = Math.trunc((bottom - top) * ratio - (right - left))
  const [from, to] = grown(left, right, missing, mask.width)
  return { left: from, top, right: to, bottom }
}

/** A span made longer about its middle, then shifted inside 0…limit and cut there. */
function grown(from: number, to: number, by: number, limit: number): readonly [from: number, to: number] {
  let start = from - Math.floor(by / 2)
  let end = to + by - Math.floor(by / 2)
  const over = Math.max(end - limit, 0)
  start -= over
  end -= over
  const under = Math.max(-start, 0)
  return [start + under, Math.min(end + under, limit)]
}

/** How a mask is made ready for one job. */
export interface MaskSettings {
  readonly blurX: number
  readonly blurY: number
  /** Paint only a crop around the mask, at full resolution. */
  readonly onlyMasked: boolean
  readonly padding: number
  readonly resizeMode: ResizeMode
  readonly width: number
  readonly height: number
}

/** A mask at the size of the work, the one the overlay is cut with, and the crop where there is one. */
export interface PreparedMask {
  /** Width × height of the job. */
  readonly mask: L8
  /** The size of the mask given for a crop, else of the job; hardened so that the blur's inner half is fully painted. */
  readonly overlay: L8
  readonly region: Box | undefined
}

/** Blurs a mask and brings it to the size of the job; undefined where "only masked" finds nothing to paint. */
export function prepareMask(source: L8, settings: MaskSettings): PreparedMask | undefined {
  const { width, height } = settings
  const blurred = gaussianBlur(source, settings.blurX, settings.blurY)
  if (settings.onlyMasked) {
    const region = cropRegion(blurred, settings.padding, width, height)
    if (region === undefined) return undefined
    return { mask: fitPicture(crop(blurred, region), 'fit', width, height), overlay: blurred, region }
  }
  const mask = fitPicture(blurred, settings.resizeMode, width, height)
  return { mask, overlay: mapBytes(mask, (value) => Math.min(2 * value, 255)), region: undefined }
}

/** The mask at latent size, [height, width] in 0…1, 1 where to paint; whole numbers only with `round`. */
export function latentMask(mask: L8, width: number, height: number, { round }: { readonly round: boolean }): Tensor {
  const { data } = resample(mask, width, height, 'bicubic')
  const level = (value: number) => (round ? Math.round(value / 255) : value / 255)
  return { shape: [height, width], data: Float32Array.from(data, level) }
}
