import type { Point } from '../../image/corners.ts'
import { type Box, picture, type Rgb8 } from '../../image/picture.ts'
import type { Cut } from './cropPicture.ts'

type Colour = readonly [number, number, number]
const [green, red, blue, yellow, white]: readonly [Colour, Colour, Colour, Colour, Colour] = [
  [0, 220, 0],
  [230, 30, 30],
  [60, 120, 255],
  [250, 220, 0],
  [255, 255, 255],
]

/** The whole picture with the window that was cut (white), faces' (red), edges' (blue) and entropy's (yellow) points, and the focus (green). */
export function cropOverlay({ scaled, window, focal }: Cut): Rgb8 {
  const result = picture(3, scaled.width, scaled.height, scaled.data.slice())
  const size = Math.max(2, Math.round(Math.min(scaled.width, scaled.height) / 64))
  frame(result, window, white)
  if (!focal) return result
  for (const point of focal.edges) dot(result, point, size / 2, blue)
  for (const point of focal.faces) dot(result, point, size, red)
  if (focal.entropy) dot(result, focal.entropy, size, yellow)
  dot(result, focal.focus, size * 1.5, green)
  return result
}

function frame(target: Rgb8, { left, top, right, bottom }: Box, colour: Colour): void {
  for (let x = left; x < right; x++) for (const y of [top, bottom - 1]) put(target, x, y, colour)
  for (let y = top; y < bottom; y++) for (const x of [left, right - 1]) put(target, x, y, colour)
}

function dot(target: Rgb8, { x, y }: Point, radius: number, colour: Colour): void {
  const [cx, cy] = [Math.round(x), Math.round(y)]
  const reach = Math.ceil(radius)
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      if (dx * dx + dy * dy <= radius * radius) put(target, cx + dx, cy + dy, colour)
    }
  }
}

function put(target: Rgb8, x: number, y: number, colour: Colour): void {
  if (x >= 0 && y >= 0 && x < target.width && y < target.height) target.data.set(colour, (y * target.width + x) * 3)
}
