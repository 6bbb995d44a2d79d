import { crop, type Rgb8 } from '../../image/picture.ts'
import { toPixels } from '../../image/pixels.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { type Draws, drawsFor } from '../draws.ts'
import type { PictureStore } from '../pictureStore.ts'
import { rowsOf, type Split } from '../split.ts'
import { isCaptioned, type TrainingRow } from '../trainingRow.ts'
import { drawGround, onGround, whiteGround } from './ground.ts'
import { hueTurned } from './hue.ts'

export interface PictureDrawing {
  readonly batch: number
  /** Side in pixels of the square that is cut out of each drawing. */
  readonly size: number
  readonly seed: number
}

/** How many drawings have their hue turned. */
const turnedShare = 0.3

/**
 * Batches of training drawings without captions, [B, 3, size, size] in −1…1: on random grounds, some turned in hue or
 * mirrored, cut out at random. A function of the seed, the step and the part.
 */
export function pictureBatches(
  store: PictureStore<TrainingRow>,
  { batch, size, seed }: PictureDrawing,
): (step: number, part: number) => Tensor {
  const rows = rowsOf(store.rows, 'training')
  return (step, part) =>
    toPixels(
      Array.from({ length: batch }, (_, place) => {
        const draws = drawsFor(seed, step, part, place)
        return drawn(store, draws.pick(rows), size, draws)
      }),
    )
}

function drawn(store: PictureStore<TrainingRow>, row: number, size: number, draws: Draws): Rgb8 {
  const [left, top] = [draws.below(store.size - size + 1), draws.below(store.size - size + 1)]
  const part = crop(store.read(row), { left, top, right: left + size, bottom: top + size })
  const isArt = !isCaptioned(store.rows[row]!)
  const turned = isArt && draws.chance(turnedShare) ? hueTurned(part, draws.between(0, 360)) : part
  const result = onGround(turned, drawGround(draws))
  return draws.chance(0.5) ? mirrored(result) : result
}

function mirrored(source: Rgb8): Rgb8 {
  const { width, data } = source
  const pixel = (i: number) => Math.floor(i / 3)
  const from = (i: number) => {
    const x = pixel(i) % width
    return 3 * (pixel(i) - x + width - 1 - x) + (i % 3)
  }
  return { ...source, data: data.map((_, i) => data[from(i)]!) }
}

/** Whole drawings of a split on white, evenly spread over it: what an autoencoder is judged by. */
export function judgedPictures(store: PictureStore<TrainingRow>, split: Split, count: number): readonly Rgb8[] {
  const rows = rowsOf(store.rows, split)
  return Array.from({ length: Math.min(count, rows.length) }, (_, i) =>
    onGround(store.read(rows[Math.floor((i * rows.length) / count)]!), whiteGround),
  )
}
