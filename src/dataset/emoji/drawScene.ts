import { pasted, picture, type Rgb8, type Rgba8 } from '../../image/picture.ts'
import { resample } from '../../image/resample.ts'
import type { Draws } from '../draws.ts'
import type { PictureStore } from '../pictureStore.ts'
import type { EmojiRow } from './buildEmojiSet.ts'
import type { Content, Part, Scene } from './captions.ts'
import { drawGround, onGround } from './ground.ts'
import { dominantHue, hueTurned, hueWord, typicalHues } from './hue.ts'
import { isHeldOutPair, nounOf } from './nouns.ts'
import type { SubjectPool } from './subjectPool.ts'

/** How scenes are drawn: shares of all. */
export interface SceneShares {
  /** Things whose hue is turned, of those that have one. */
  readonly turned: number
  /** Scenes of two things side by side. */
  readonly pairs: number
  /** Things drawn small. */
  readonly small: number
  /** Whether colours that training leaves out are drawn too. */
  readonly hasHeldOutPairs: boolean
}

/** How far a turned hue may lie from the typical one, in degrees; what a drawing had is known to as much again. */
const hueWander = 5

/** Draws scenes: a drawing, or two of the same style side by side, on a ground. */
export type DrawScene = (draws: Draws) => { readonly scene: Scene; readonly picture: Rgb8 }

/** The same of anything that captions are made of. */
export type DrawContent = (draws: Draws) => { readonly scene: Content; readonly picture: Rgb8 }

/** A drawer of pictures of `size` × `size` pixels. */
export function sceneDrawer(
  store: PictureStore<EmojiRow>,
  pool: SubjectPool,
  shares: SceneShares,
  size: number,
): DrawScene {
  const hues = new Map<number, number | undefined>()
  const hueOf = (row: number) => {
    if (!hues.has(row)) hues.set(row, dominantHue(store.read(row)))
    return hues.get(row)
  }
  const partOf = (row: number, side: number, isSmall: boolean, draws: Draws) => {
    const { label, tags, group } = store.rows[row]!
    const drawing = resample(store.read(row), side, side, 'bilinear')
    const noun = nounOf({ label, group })
    const hue = hueOf(row)
    const own = hue === undefined ? undefined : hueWord(hue)
    const part = { label, noun, tags, isSmall }
    if (hue === undefined || !draws.chance(shares.turned)) {
      return { part: { ...part, color: own, isTurned: false }, drawing }
    }
    const colors = [...typicalHues].filter(
      ([word]) => word !== own && (shares.hasHeldOutPairs || !isHeldOutPair(word, noun)),
    )
    const [color, degrees] = draws.pick(colors)
    const target = degrees + draws.between(-hueWander, hueWander)
    return { part: { ...part, color, isTurned: true }, drawing: hueTurned(drawing, target - hue) }
  }

  return (draws) => {
    const first = pool.pick(draws)
    const { set, style } = store.rows[first]!
    const isPair = draws.chance(shares.pairs)
    const rows = isPair ? [first, pool.pickOf(set, draws)] : [first]
    let canvas: Rgba8 = picture(4, size, size)
    const parts: Part[] = []
    for (const [place, row] of rows.entries()) {
      const isSmall = !isPair && draws.chance(shares.small)
      const side = Math.round(size * (isPair ? draws.between(0.44, 0.5) : shareOf(isSmall, draws)))
      const { part, drawing } = partOf(row, side, isSmall, draws)
      const width = isPair ? size / 2 : size
      const left = (isPair ? place * width : 0) + draws.below(width - side + 1)
      const top = isPair ? Math.round((size - side) * draws.between(0.35, 0.65)) : draws.below(size - side + 1)
      canvas = pasted(canvas, drawing, left, top)
      parts.push(part)
    }
    const ground = drawGround(draws)
    return { scene: { parts, style, ground: ground.words }, picture: onGround(canvas, ground) }
  }
}

/** How much of a picture's side a drawing takes; half of the drawings fill it. */
function shareOf(isSmall: boolean, draws: Draws): number {
  if (isSmall) return draws.between(0.4, 0.55)
  return draws.chance(0.5) ? 1 : draws.between(0.8, 1)
}
