import { type Picture, picture, type Rgb8, type Rgba8 } from '../../image/picture.ts'
import type { Draws } from '../draws.ts'

/** What a drawing lies on: a colour at the top and one at the bottom, and what captions call it. */
export interface Ground {
  readonly top: Color
  readonly bottom: Color
  /** Undefined where captions need not mention it. */
  readonly words: string | undefined
}

type Color = readonly [red: number, green: number, blue: number]

const white: Color = [255, 255, 255]

/** What most drawings lie on, and captions need not mention. */
export const whiteGround: Ground = { top: white, bottom: white, words: undefined }

const named: readonly (readonly [string, Color])[] = [
  ['white', white],
  ['black', [16, 16, 18]],
  ['grey', [140, 142, 145]],
  ['red', [214, 50, 48]],
  ['orange', [240, 140, 46]],
  ['yellow', [248, 214, 72]],
  ['green', [70, 160, 76]],
  ['teal', [40, 160, 160]],
  ['blue', [58, 110, 214]],
  ['light blue', [176, 214, 244]],
  ['purple', [128, 74, 186]],
  ['pink', [244, 170, 200]],
  ['beige', [238, 224, 198]],
  ['light green', [196, 232, 188]],
]

/** What captions call grounds. */
export const groundWords: readonly string[] = named.map(([words]) => words)

/** How far a named colour may wander, per channel. */
const wander = 14

/** White half of the time, otherwise a colour people have a word for, sometimes shaded from top to bottom. */
export function drawGround(draws: Draws): Ground {
  if (draws.chance(0.5)) return whiteGround
  const [words, color] = draws.pick(named)
  const near = () => color.map((x) => clamped(x + draws.between(-wander, wander))) as unknown as Color
  const top = near()
  return { top, bottom: draws.chance(0.3) ? near() : top, words }
}

/** A drawing laid on a ground. */
export function onGround(source: Rgba8, { top, bottom }: Ground): Rgb8 {
  const { width, height, data } = source
  const result: Picture<3> = picture(3, width, height)
  for (let y = 0; y < height; y++) {
    const down = height > 1 ? y / (height - 1) : 0
    for (let c = 0; c < 3; c++) {
      const ground = top[c]! + (bottom[c]! - top[c]!) * down
      for (let x = 0; x < width; x++) {
        const i = y * width + x
        const alpha = data[4 * i + 3]! / 255
        result.data[3 * i + c] = Math.round(data[4 * i + c]! * alpha + ground * (1 - alpha))
      }
    }
  }
  return result
}

function clamped(x: number): number {
  return Math.min(255, Math.max(0, x))
}
