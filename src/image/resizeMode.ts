import { StudioError } from '../errors.ts'
import { type Channels, crop, type L8, type Picture, pasted, picture } from './picture.ts'
import { resample } from './resample.ts'

/**
 * How a picture is brought to another shape: `stretch` ignores its proportions, `cover` cuts off what is too much,
 * `fit` keeps all of it and fills the margins from the edges. (Modes 0, 1 and 2 of the reference; its mode 3 leaves
 * the picture alone and resizes the latent.)
 */
export type ResizeMode = 'stretch' | 'cover' | 'fit'

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
  if (mode !== 'fit' || (top <= 0 && left <= 0)) return result
  // Both margins are as wide as the first: where the other side has a pixel more, it stays black.
  if (top > 0) {
    const row = (y: number) => crop(scaled, { left: 0, top: y, right: width, bottom: y + 1 })
    const [above, below] = beyondEdges(row, scaled.height).map((edge) => resample(edge, width, top, 'nearest'))
    return pasted(pasted(result, above!, 0, 0), below!, 0, top + scaled.height)
  }
  const column = (x: number) => crop(scaled, { left: x, top: 0, right: x + 1, bottom: height })
  const [before, after] = beyondEdges(column, scaled.width).map((edge) => resample(edge, left, height, 'nearest'))
  return pasted(pasted(result, before!, 0, 0), after!, left + scaled.width, 0)
}

/**
 * The lines that bicubic resampling finds in a box of no height at the first and the last of a picture's lines: half a
 * pixel beyond them, from the two that exist there, (9·last − previous)/8.
 */
function beyondEdges<C extends Channels>(line: (index: number) => Picture<C>, count: number): Picture<C>[] {
  const beyond = (edge: Picture<C>, inner: Picture<C>): Picture<C> => ({
    ...edge,
    data: edge.data.map((v, i) => Math.min(Math.max((9 * v - inner.data[i]! + 4) >> 3, 0), 255)),
  })
  return [beyond(line(0), line(Math.min(1, count - 1))), beyond(line(count - 1), line(Math.max(count - 2, 0)))]
}

/** A picture at another size by Lanczos, its proportions treated by `mode`. */
export function fitPicture<C extends Channels>(
  source: Picture<C>,
  mode: ResizeMode,
  width: number,
  height: number,
): Picture<C> {
  const [scaledWidth, scaledHeight] = scaledSize(source, mode, width, height)
  return placed(resample(source, scaledWidth, scaledHeight, 'lanczos'), mode, width, height)
}

/** A mask at the size of a picture that it was not drawn for; itself where it has that size. */
export function maskLike(mask: L8, { width, height }: Picture, mode: ResizeMode): L8 {
  return mask.width === width && mask.height === height ? mask : fitPicture(mask, mode, width, height)
}
