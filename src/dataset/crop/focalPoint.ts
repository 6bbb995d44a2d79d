import { toL } from '../../image/channels.ts'
import { corners, type Point } from '../../image/corners.ts'
import { type Box, crop, type L8, type Picture } from '../../image/picture.ts'
import type { Face } from '../faces/face.ts'
import { entropyOf, histogramOf } from '../quality/measures.ts'

/** How much faces, detail and edges say about where to look. */
export interface FocalWeights {
  readonly faces: number
  readonly entropy: number
  readonly edges: number
}

/** The weights of the web UI's preprocessing. */
export const usualWeights: FocalWeights = { faces: 0.9, entropy: 0.15, edges: 0.5 }

/** Where to look in a picture, and what made it so. */
export interface FocalPoint {
  readonly focus: Point
  /** The points of each kind, and their common middle. */
  readonly faces: readonly Point[]
  readonly edges: readonly Point[]
  readonly entropy: Point | undefined
}

/**
 * The point that a crop of `width` × `height` should keep in its middle: the mean of the faces' middle, of the corners'
 * and of the window with the most entropy, each by its weight.
 */
export function focalPoint(
  source: Picture,
  window: { readonly width: number; readonly height: number },
  weights: FocalWeights,
  faces: readonly Face[] = [],
): FocalPoint {
  const grey = toL(source)
  const found = {
    faces: weights.faces > 0 ? faces.map(middleOf) : [],
    edges: weights.edges > 0 ? detail(grey) : [],
    entropy: weights.entropy > 0 ? densestWindow(grey, window.width, window.height) : undefined,
  }
  const parts: readonly (readonly [Point, number])[] = [
    ...(found.faces.length > 0 ? [[mean(found.faces), weights.faces] as const] : []),
    ...(found.edges.length > 0 ? [[mean(found.edges), weights.edges] as const] : []),
    ...(found.entropy ? [[found.entropy, weights.entropy] as const] : []),
  ]
  const total = parts.reduce((sum, [, weight]) => sum + weight, 0)
  const center = { x: source.width / 2, y: source.height / 2 }
  const along = (axis: 'x' | 'y') => parts.reduce((sum, [point, weight]) => sum + point[axis] * weight, 0) / total
  return { ...found, focus: total > 0 ? { x: along('x'), y: along('y') } : center }
}

/** A window of a size around a point, moved inside the picture where it would stick out. */
export function windowAround({ x, y }: Point, width: number, height: number, source: Picture): Box {
  const left = Math.round(Math.min(Math.max(x - width / 2, 0), source.width - width))
  const top = Math.round(Math.min(Math.max(y - height / 2, 0), source.height - height))
  return { left, top, right: left + width, bottom: top + height }
}

/** Corners of the picture; they keep away from each other by 6 % of its short side. */
function detail(grey: L8): readonly Point[] {
  return corners(grey, { most: 100, quality: 0.04, distance: Math.min(grey.width, grey.height) * 0.06 })
}

/** The middle of the window with the most entropy of grey levels, the first of equals, in steps of 4 pixels. */
function densestWindow(grey: L8, width: number, height: number): Point {
  const step = 4
  let best = { entropy: -1, x: grey.width / 2, y: grey.height / 2 }
  for (let top = 0; top + height <= grey.height; top += step) {
    for (let left = 0; left + width <= grey.width; left += step) {
      const part = crop(grey, { left, top, right: left + width, bottom: top + height })
      const entropy = entropyOf(histogramOf(part))
      if (entropy > best.entropy + 1e-9) best = { entropy, x: left + width / 2, y: top + height / 2 }
    }
  }
  return { x: best.x, y: best.y }
}

function middleOf({ left, top, right, bottom }: Box): Point {
  return { x: (left + right) / 2, y: (top + bottom) / 2 }
}

function mean(points: readonly Point[]): Point {
  const sum = points.reduce(({ x, y }, point) => ({ x: x + point.x, y: y + point.y }), { x: 0, y: 0 })
  return { x: sum.x / points.length, y: sum.y / points.length }
}
