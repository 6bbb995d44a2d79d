import { StudioError } from '../errors.ts'
import { toRgb } from '../image/channels.ts'
import { gridRows, pictureGrid } from '../image/grid.ts'
import { matchedNoise } from '../image/matchedNoise.ts'
import { crop, pasted, picture, type Rgb8 } from '../image/picture.ts'
import type { Result } from '../pipeline/generate.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import { choices, readArguments, remark, slider, wholeSlider } from './arguments.ts'
import { initOf } from './loopback.ts'
import { keeping, marginsOf, maskedInit, type Side, sides } from './outpainting.ts'
import type { Painter } from './painter.ts'
import type { OutputPicture, Processed, TaskProgress } from './processed.ts'
import type { Script } from './script.ts'

const args = [
  remark(
    '<p style="margin-bottom:0.75em">Recommended settings: Sampling Steps: 80-100, Sampler: Euler a, Denoising strength: 0.8</p>',
  ),
  wholeSlider('Pixels to expand', 128, { from: 8, to: 256, step: 8, limit: 2048 }),
  wholeSlider('Mask blur', 8, { from: 0, to: 64, step: 1, limit: 256 }),
  choices('Outpainting direction', sides),
  slider('Fall-off exponent (lower=higher detail)', 1, { from: 0, to: 4, step: 0.01 }),
  slider('Color variation', 0.05, { from: 0, to: 1, step: 0.01 }),
] as const

interface Look {
  readonly blur: number
  readonly fallOff: number
  readonly colorVariation: number
}

/** Paints on beyond the edges, one side after the other, starting from noise that looks like the picture. */
export const outpaintingMk2: Script = { title: 'outpainting mk2', endpoints: ['img2img'], args: () => args, run }

async function* run(painter: Painter, given: readonly unknown[]): AsyncGenerator<TaskProgress, Processed> {
  const [, pixels, blur, directions, fallOff, colorVariation] = readArguments(given, args)
  const { batch_size: batchSize, n_iter: rounds } = painter.fields
  const recipe = await painter.recipe({ n_iter: 1 })
  const source = toRgb(initOf(recipe).pictures[0]!)
  const margins = marginsOf(source, pixels, directions)
  const growing = sides.filter((side) => margins[side] > 0)
  painter.passes = rounds * growing.length

  let first: Result | undefined
  const made: Rgb8[] = []
  for (let round = 0; round < rounds && !painter.isInterrupted; round++) {
    let pictures: readonly Rgb8[] = Array<Rgb8>(batchSize).fill(source)
    for (const side of growing) {
      if (painter.isInterrupted) break
      const grown = yield* grow(painter, recipe, pictures, side, margins[side], { blur, fallOff, colorVariation })
      pictures = grown.pictures
      first ??= grown.result
    }
    made.push(...pictures)
  }
  if (!first) throw new StudioError('cancelled', 'interrupted before the first picture')

  const infotext = first.images[0]?.infotext ?? ''
  const { options } = painter
  const grid =
    made.length > 1
      ? pictureGrid(made, gridRows(made.length, 'square', batchSize), options.grid_background_color)
      : undefined
  for (const each of made) yield painter.composed(first, each, infotext)
  if (grid) yield painter.grid(first, grid, infotext, 'grid')
  const pictures: OutputPicture[] = [...(grid && options.return_grid ? [grid] : []), ...made].map((each) => ({
    picture: each,
    infotext: undefined,
  }))
  return {
    pictures,
    info: painter.info(
      first,
      pictures.map(() => infotext),
    ),
    notes: recipe.notes,
  }
}

interface Grown {
  readonly pictures: readonly Rgb8[]
  readonly result: Result
}

/** Pictures with one more strip on a side. Only the part of the job's size that holds the strip is painted. */
async function* grow(
  painter: Painter,
  recipe: Recipe,
  before: readonly Rgb8[],
  side: Side,
  pixels: number,
  { blur, fallOff, colorVariation }: Look,
): AsyncGenerator<TaskProgress, Grown> {
  const isAcross = side === 'left' || side === 'right'
  const [from] = before
  if (!from) throw new Error('internal: no picture to paint on')
  const width = from.width + (isAcross ? pixels : 0)
  const height = from.height + (isAcross ? 0 : pixels)
  const even = (length: number) => Math.ceil(length / 64) * 64
  const [canvasWidth, canvasHeight] = [even(width), even(height)]
  const kept = (inset: number, w: number, h: number) =>
    keeping(w, h, {
      left: side === 'left' ? pixels + inset : 0,
      top: side === 'up' ? pixels + inset : 0,
      right: side === 'right' ? w - pixels - inset : width,
      bottom: side === 'down' ? h - pixels - inset : height,
    })
  const mask = kept(blur, canvasWidth, canvasHeight)
  const noised = before.map((each) =>
    matchedNoise(
      pasted(picture(3, canvasWidth, canvasHeight), each, side === 'left' ? pixels : 0, side === 'up' ? pixels : 0),
      mask,
      { fallOff, colorVariation },
    ),
  )

  const jobWidth = isAcross ? Math.min(recipe.width, width) : canvasWidth
  const jobHeight = isAcross ? canvasHeight : Math.min(recipe.height, height)
  const left = side === 'left' ? 0 : canvasWidth - jobWidth
  const top = side === 'up' ? 0 : canvasHeight - jobHeight
  const box = { left, top, right: left + jobWidth, bottom: top + jobHeight }
  const init = maskedInit(
    painter,
    initOf(recipe),
    noised.map((each) => crop(each, box)),
    { overlay: crop(mask, box), latent: kept(blur * 2, jobWidth, jobHeight), blur: blur * 4, content: 'original' },
  )
  const job = { ...recipe, width: jobWidth, height: jobHeight, batchSize: before.length, init }
  const result = yield* painter.paint(job, { isPart: true })
  const pictures = noised.map((each, i) => {
    const painted = result.images[i]?.picture
    const whole = painted ? pasted(each, painted, left, top) : each
    return crop(whole, { left: 0, top: 0, right: width, bottom: height })
  })
  return { pictures, result }
}
