import { StudioError } from '../../errors.ts'
import { type Box, crop, type Picture, type Rgb8 } from '../../image/picture.ts'
import type { Size } from '../buckets.ts'
import type { Face } from '../faces/face.ts'
import { sizedTo } from '../framing.ts'
import { type FocalPoint, type FocalWeights, focalPoint, windowAround } from './focalPoint.ts'

/** A piece cut out of a picture, and where it lay: in pixels of `scaled`, the picture brought to size. */
export interface Cut {
  readonly picture: Rgb8
  readonly scaled: Rgb8
  readonly window: Box
  readonly focal: FocalPoint | undefined
}

/** The picture scaled to cover a size, cut in the middle. */
export function cropCenter(source: Rgb8, [width, height]: Size): Cut {
  const scaled = cover(source, width, height)
  const left = Math.floor((scaled.width - width) / 2)
  const top = Math.floor((scaled.height - height) / 2)
  return cutOf(scaled, { left, top, right: left + width, bottom: top + height })
}

/** The picture scaled to cover a size, cut around what matters in it. Faces are in pixels of `source`. */
export function cropFocal(
  source: Rgb8,
  [width, height]: Size,
  weights: FocalWeights,
  faces: readonly Face[] = [],
): Cut {
  const scaled = cover(source, width, height)
  const [x, y] = [scaled.width / source.width, scaled.height / source.height]
  const inScaled = faces.map(({ left, top, right, bottom, score }) => ({
    left: left * x,
    top: top * y,
    right: right * x,
    bottom: bottom * y,
    score,
  }))
  const focal = focalPoint(scaled, { width, height }, weights, inScaled)
  return cutOf(scaled, windowAround(focal.focus, width, height, scaled), focal)
}

/** A box of the picture, brought to a size where one is given. */
export function cropBox(source: Rgb8, box: Box, size?: Size): Cut {
  const { left, top, right, bottom } = box
  if (left < 0 || top < 0 || right > source.width || bottom > source.height || right <= left || bottom <= top) {
    throw new StudioError(
      'bad-request',
      `the box ${left},${top},${right},${bottom} does not lie in a picture of ${source.width}×${source.height}`,
      { field: 'box' },
    )
  }
  const cut = cutOf(source, box)
  return size ? { ...cut, picture: sizedTo(cut.picture, size[0], size[1], undefined) } : cut
}

export interface FaceCropOptions {
  /** Share of the piece's shorter way that the face takes. */
  readonly share: number
  /** Faces smaller than this on their shorter side are passed over, in pixels of the picture. */
  readonly leastSide: number
  /** How sure the detector has to be. */
  readonly leastScore: number
}

/** A face takes nearly half of a portrait; smaller than 64 pixels it teaches nothing. */
export const usualFaceCrop: FaceCropOptions = { share: 0.45, leastSide: 64, leastScore: 0.5 }

/**
 * A piece of a size's shape around every face, the face in its middle where the picture reaches so far; of a picture
 * that is too small for it, as much as there is.
 */
export function cropFaces(
  source: Rgb8,
  [width, height]: Size,
  faces: readonly Face[],
  { share, leastSide, leastScore }: FaceCropOptions,
): readonly Cut[] {
  const wanted = faces.filter(({ left, top, right, bottom, score }) => {
    return score >= leastScore && Math.min(right - left, bottom - top) >= leastSide
  })
  return wanted.map((face) => {
    const faceSide = Math.max(face.right - face.left, face.bottom - face.top)
    const scale = Math.min(faceSide / share / Math.min(width, height), source.width / width, source.height / height)
    const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number]
    const middle = { x: (face.left + face.right) / 2, y: (face.top + face.bottom) / 2 }
    const cut = cutOf(source, windowAround(middle, w, h, source))
    return { ...cut, picture: sizedTo(cut.picture, width, height, undefined) }
  })
}

export interface SplitOptions {
  /** A picture whose shape differs from the target's by less than this factor is not divided. */
  readonly threshold: number
  /** Share of a piece that the next one shows again, at least. */
  readonly overlap: number
}

/**
 * A picture much longer than the target's shape, divided into as few pieces as overlap enough; any other in one piece,
 * cut in the middle.
 */
export function splitOversized(source: Rgb8, size: Size, { threshold, overlap }: SplitOptions): readonly Cut[] {
  const [width, height] = size
  const ratio = source.height / source.width
  const wanted = height / width
  // 1 for the target's own shape, towards 0 for longer ones either way.
  const likeness = Math.min(ratio / wanted, wanted / ratio)
  if (likeness >= threshold) return [cropCenter(source, size)]
  const scaled = cover(source, width, height)
  const isTall = ratio > wanted
  const [long, piece] = isTall ? [scaled.height, height] : [scaled.width, width]
  const count = Math.ceil((long - piece * overlap) / (piece * (1 - overlap)) - 1e-9)
  return Array.from({ length: count }, (_, i) => {
    const at = count === 1 ? 0 : Math.round((i * (long - piece)) / (count - 1))
    const [left, top] = isTall ? [0, at] : [at, 0]
    return cutOf(scaled, { left, top, right: left + width, bottom: top + height })
  })
}

export interface AutoSizeOptions {
  readonly minSide: number
  readonly maxSide: number
  readonly minArea: number
  readonly maxArea: number
  /** Largest difference of the shapes, as |1 − ratio/ratio|. */
  readonly maxError: number
  /** What is sought among the sizes that are close enough in shape. */
  readonly objective: 'area' | 'error'
}

/** Sides 384 to 768 and areas 64² to 640², as the web UI has them. */
export const usualAutoSize: AutoSizeOptions = {
  minSide: 384,
  maxSide: 768,
  minArea: 64 * 64,
  maxArea: 640 * 640,
  maxError: 0.1,
  objective: 'area',
}

/** The size in multiples of 64 that suits a picture's own shape; undefined where none comes close enough. */
export function autoSize(source: Picture, options: AutoSizeOptions): Size | undefined {
  const { minSide, maxSide, minArea, maxArea, maxError, objective } = options
  const ratio = source.width / source.height
  let best: { size: Size; error: number; area: number } | undefined
  for (let width = Math.ceil(minSide / 64) * 64; width <= maxSide; width += 64) {
    for (let height = Math.ceil(minSide / 64) * 64; height <= maxSide; height += 64) {
      const area = width * height
      const error = Math.abs(1 - (ratio < width / height ? ratio / (width / height) : width / height / ratio))
      if (area < minArea || area > maxArea || error > maxError) continue
      const isBetter =
        best === undefined ||
        (objective === 'area'
          ? area > best.area || (area === best.area && error < best.error)
          : error < best.error || (error === best.error && area > best.area))
      if (isBetter) best = { size: [width, height], error, area }
    }
  }
  return best?.size
}

/** A sliver that shall cover a square would become a picture of any length. */
const mostPixels = 100_000_000

function cutOf(scaled: Rgb8, window: Box, focal?: FocalPoint): Cut {
  return { picture: crop(scaled, window), scaled, window, focal }
}

/** Scaled so that both sides reach the size and one meets it. */
function cover(source: Rgb8, width: number, height: number): Rgb8 {
  const scale = Math.max(width / source.width, height / source.height)
  const [w, h] = [source.width, source.height].map((side) => Math.round(side * scale)) as [number, number]
  if (w * h > mostPixels) {
    throw new StudioError(
      'too-large',
      `a picture of ${source.width}×${source.height} is too narrow for ${width}×${height}: it would become ${w}×${h}`,
    )
  }
  return sizedTo(source, Math.max(width, w), Math.max(height, h), undefined)
}
