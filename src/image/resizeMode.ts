import { StudioError } from '../errors.ts'
import { type Channels, type Picture, pasted, picture } from './picture.ts'
import { resample } from './resample.ts'

/**
 * How a picture is brought to another shape: `stretch` ignores its proportions, `cover` cuts off what is too much,
 * `fit` keeps all of it and fills the margins from the edges. (Modes 0, 1 and 2 of the reference; its mode 3 leaves
 * the picture alone and resizes the latent.)
 */
export type ResizeMode = 'stretch' | 'cover' | 'fit'

/** Resizes a picture to an exact size. */
export type Resize = <C extends Channels>(source: Picture<C>, width: number, height: number) => Picture<C>

/** The size to which a picture is scaled before `placed` cuts or fills it. */
export function scaledSize(
  source: { readonly width: number; readonly height: number },
  mode: ResizeMode,
  width: number,
  height: number,
): readonly [width: number, height: number] {
  if (mode === 'stretch') return [width, height]
  const isWider = width / height > source.width / source.height
  const isNarrower = width / height < source.width / source.height
  const byHeight = Math.floor((source.width * height) / source.height)
  const byWidth = Math.floor((source.height * width) / source.width)
  const size =
    mode === 'cover'
      ? ([isWider ? width : byHeight, isWider ? byWidth : height] as const)
      : ([isNarrower ? width : byHeight, isNarrower ? byWidth : height] as const)
  if (Math.min(...size) < 1) {
    throw new StudioError(
      'bad-request',
      `a ${source.width}x${source.height} picture is too narrow for ${width}x${height}`,
    )
  }
  return size
}

/** A picture of `scaledSize` in the middle of the wanted size; margins that `fit` leaves are filled from its edges. */
export function placed<C extends Channels>(
  scaled: Picture<C>,
  mode: ResizeMode,
  width: number,
  height: number,
): Picture<C> {
  if (scaled.width === width && scaled.height === height) return scaled
  const left = Math.floor(width / 2) - Math.floor(scaled.width / 2)
  const top = Math.floor(height / 2) - Math.floor(scaled.height / 2)
  const result = pasted(picture(scaled.channels, width, height), scaled, left, top)
  if (mode !== 'fit') return result
  // The first row of margin is as wide as the picture, and the margins are equal: an odd remainder stays black.
  if (top > 0) {
    const above = picture(scaled.channels, width, top)
    const below = picture(scaled.channels, width, top)
    const rowBytes = scaled.width * scaled.channels
    for (let i = 0; i < rowBytes; i++) {
      const column = { data: scaled.data, start: i, step: rowBytes, count: scaled.height }
      for (let y = 0; y < top; y++) above.data[y * rowBytes + i] = beyondEdge(column, 'first')
      for (let y = 0; y < top; y++) below.data[y * rowBytes + i] = beyondEdge(column, 'last')
    }
    return pasted(pasted(result, above, 0, 0), below, 0, top + scaled.height)
  }
  if (left > 0) {
    const before = picture(scaled.channels, left, height)
    const after = picture(scaled.channels, left, height)
    for (let y = 0; y < height; y++) {
      for (let c = 0; c < scaled.channels; c++) {
        const start = y * scaled.width * scaled.channels + c
        const row = { data: scaled.data, start, step: scaled.channels, count: scaled.width }
        for (let x = 0; x < left; x++) before.data[(y * left + x) * scaled.channels + c] = beyondEdge(row, 'first')
        for (let x = 0; x < left; x++) after.data[(y * left + x) * scaled.channels + c] = beyondEdge(row, 'last')
      }
    }
    return pasted(pasted(result, before, 0, 0), after, left + scaled.width, 0)
  }
  return result
}

interface Line {
  readonly data: Uint8Array
  readonly start: number
  readonly step: number
  readonly count: number
}

/**
 * The value that bicubic resampling gives a box of no height at a line's end: half a pixel beyond its last centre,
 * from the two pixels that exist there, (9·last − previous)/8.
 */
function beyondEdge({ data, start, step, count }: Line, end: 'first' | 'last'): number {
  const at = (index: number) => data[start + step * (end === 'first' ? index : count - 1 - index)]!
  if (count === 1) return at(0)
  return Math.min(Math.max((9 * at(0) - at(1) + 4) >> 3, 0), 255)
}

const lanczos: Resize = (source, width, height) => resample(source, width, height, 'lanczos')

/** A picture at another size, its proportions treated by `mode`. */
export function fitPicture<C extends Channels>(
  source: Picture<C>,
  mode: ResizeMode,
  width: number,
  height: number,
  resize: Resize = lanczos,
): Picture<C> {
  const [scaledWidth, scaledHeight] = scaledSize(source, mode, width, height)
  return placed(resize(source, scaledWidth, scaledHeight), mode, width, height)
}
