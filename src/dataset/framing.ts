import { areaResize } from '../image/areaResize.ts'
import { alphaOf, toRgb } from '../image/channels.ts'
import { type Channels, crop, type L8, type Picture, picture, type Rgb8, type Rgba8 } from '../image/picture.ts'
import { type Filter, resample } from '../image/resample.ts'
import type { BucketPlace } from './buckets.ts'

/** How pictures are brought to size; undefined for means over areas when shrinking and Lanczos when enlarging. */
export type Resizing = Filter | 'area' | undefined

export interface FramedPicture {
  readonly picture: Rgb8
  /** How opaque each pixel is, where the picture has transparency. */
  readonly alpha: L8 | undefined
}

/** A picture as it is learnt from: brought to the size that covers its bucket, then cut to the bucket. */
export function framed(
  source: Rgb8 | Rgba8,
  { bucket, resized }: BucketPlace,
  options: { readonly resizing: Resizing; readonly isFlipped: boolean; readonly at: 'center' | (() => number) },
): FramedPicture {
  const [left, top] = [0, 1].map((axis) => {
    const spare = resized[axis]! - bucket[axis]!
    return options.at === 'center' ? Math.floor(spare / 2) : Math.min(spare, Math.floor(options.at() * (spare + 1)))
  }) as [number, number]
  const cut = <C extends Channels>(whole: Picture<C>): Picture<C> => {
    const sized = sizedTo(whole, resized[0], resized[1], options.resizing)
    const part = crop(sized, { left, top, right: left + bucket[0], bottom: top + bucket[1] })
    return options.isFlipped ? mirrored(part) : part
  }
  return {
    picture: cut(toRgb(source)),
    alpha: source.channels === 4 ? cut(alphaOf(source as Rgba8)) : undefined,
  }
}

/** A picture at another size: by default means over areas when shrinking and Lanczos when enlarging. */
export function sizedTo<C extends Channels>(
  source: Picture<C>,
  width: number,
  height: number,
  resizing: Resizing,
): Picture<C> {
  if (source.width === width && source.height === height) return source
  const shrinks = source.width >= width && source.height >= height
  const filter = resizing ?? (shrinks ? 'area' : 'lanczos')
  return filter === 'area' ? areaResize(source, width, height) : resample(source, width, height, filter)
}

/** The picture as a mirror shows it. */
export function mirrored<C extends Channels>({ channels, width, height, data }: Picture<C>): Picture<C> {
  const result = picture(channels, width, height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, to] = [(y * width + width - 1 - x) * channels, (y * width + x) * channels]
      for (let c = 0; c < channels; c++) result.data[to + c] = data[from + c]!
    }
  }
  return result
}
