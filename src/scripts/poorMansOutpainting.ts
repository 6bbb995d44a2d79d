import { StudioError } from '../errors.ts'
import { toRgb } from '../image/channels.ts'
import { pasted, picture, type Rgb8 } from '../image/picture.ts'
import { cutTiles, joinTiles, tileGrid } from '../image/tileGrid.ts'
import type { Result } from '../pipeline/generate.ts'
import { choice, choices, readArguments, wholeSlider } from './arguments.ts'
import { initOf } from './loopback.ts'
import { keeping, marginsOf, maskedInit, sides } from './outpainting.ts'
import type { Painter } from './painter.ts'
import type { Processed, TaskProgress } from './processed.ts'
import type { Script } from './script.ts'

const args = [
  wholeSlider('Pixels to expand', 128, { from: 8, to: 256, step: 8, limit: 2048 }),
  wholeSlider('Mask blur', 4, { from: 0, to: 64, step: 1, limit: 256 }),
  choice('Masked content', ['fill', 'original', 'latent noise', 'latent nothing'], 'fill'),
  choices('Outpainting direction', sides),
] as const

/** Paints on beyond the edges by inpainting in overlapping tiles. */
export const poorMansOutpainting: Script = {
  title: "poor man's outpainting",
  endpoints: ['img2img'],
  args: () => args,
  run,
}

async function* run(painter: Painter, given: readonly unknown[]): AsyncGenerator<TaskProgress, Processed> {
  const [pixels, blur, content, directions] = readArguments(given, args)
  const recipe = await painter.recipe({ n_iter: 1, batch_size: 1 })
  const init = initOf(recipe)
  const source = toRgb(init.pictures[0]!)
  const { left, right, up, down } = marginsOf(source, pixels, directions)
  const [width, height] = [source.width + left + right, source.height + up + down]
  if (pixels >= Math.min(recipe.width, recipe.height)) {
    throw new StudioError(
      'bad-request',
      `script_args.0: ${pixels} pixels, expected fewer than a tile of ${recipe.width}x${recipe.height} has`,
      { field: 'script_args.0' },
    )
  }
  const kept = (inset: number) =>
    keeping(width, height, {
      left: left + (left > 0 ? inset : 0),
      top: up + (up > 0 ? inset : 0),
      right: width - right - (right > 0 ? inset : 0),
      bottom: height - down - (down > 0 ? inset : 0),
    })
  const grid = tileGrid({ width, height }, recipe.width, recipe.height, pixels)
  const tiles = cutTiles(pasted(picture(3, width, height), source, left, up), grid)
  const masks = cutTiles(kept(blur * 2), grid)
  const latentMasks = cutTiles(kept(Math.floor(blur / 2)), grid)
  const corners = grid.rows.flatMap(({ y, xs }) => xs.map((x) => ({ x, y })))
  const isWhole = ({ x, y }: { readonly x: number; readonly y: number }) =>
    x >= left && x + recipe.width <= width - right && y >= up && y + recipe.height <= height - down
  painter.passes = corners.filter((corner) => !isWhole(corner)).length

  let seed = recipe.images[0]!.seed
  let first: Result | undefined
  let last: Result | undefined
  const painted: Rgb8[] = []
  for (const [i, corner] of corners.entries()) {
    if (isWhole(corner) || painter.isInterrupted) {
      painted.push(tiles[i]!)
      continue
    }
    const part = maskedInit(painter, init, [tiles[i]!], {
      overlay: masks[i]!,
      latent: latentMasks[i]!,
      blur: blur * 2,
      content,
    })
    const images = recipe.images.map((image) => ({ ...image, seed }))
    last = yield* painter.paint({ ...recipe, images, init: part }, { isPart: true })
    first ??= last
    painted.push(last.images[0]?.picture ?? tiles[i]!)
    seed++
  }
  if (!first || !last) throw new StudioError('cancelled', 'interrupted before the first tile')
  const combined = joinTiles(grid, painted)
  const infotext = first.images[0]?.infotext ?? ''
  yield painter.composed(first, combined, infotext)
  return {
    pictures: [{ picture: combined, infotext: undefined }],
    info: { ...painter.info(last, [infotext]), seed: recipe.images[0]!.seed },
    notes: recipe.notes,
  }
}
