import { StudioError } from '../errors.ts'
import { pictureGrid } from '../image/grid.ts'
import type { Rgb8 } from '../image/picture.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import type { Result } from '../pipeline/generate.ts'
import type { Init, Recipe } from '../pipeline/recipe.ts'
import { choice, readArguments, slider, wholeSlider } from './arguments.ts'
import type { Painter } from './painter.ts'
import type { OutputPicture, Processed, TaskProgress } from './processed.ts'
import type { Script } from './script.ts'

const args = [
  wholeSlider('Loops', 4, { from: 1, to: 32, step: 1, limit: 1000 }),
  slider('Final denoising strength', 0.5, { from: 0, to: 1, step: 0.01 }),
  choice('Denoising strength curve', ['Aggressive', 'Linear', 'Lazy'], 'Linear'),
  choice('Append interrogated prompt at each iteration', ['None', 'CLIP', 'DeepBooru'], 'None'),
] as const

type Curve = 'Aggressive' | 'Linear' | 'Lazy'

/** Every picture becomes the start of the next, with a strength that walks from the request's to a final one. */
export const loopback: Script = { title: 'loopback', endpoints: ['img2img'], args: () => args, run }

async function* run(painter: Painter, given: readonly unknown[]): AsyncGenerator<TaskProgress, Processed> {
  const [loops, finalStrength, curve, interrogation] = readArguments(given, args)
  if (interrogation !== 'None') {
    throw new StudioError('unsupported', 'script_args.3: prompts cannot be extended by interrogation', {
      field: 'script_args.3',
    })
  }
  const { n_iter: rounds } = painter.fields
  const recipe = await painter.recipe({ batch_size: 1, n_iter: 1 })
  const init = initOf(recipe)
  const facts = [
    ['Final denoising strength', pythonFloat(finalStrength)],
    ['Denoising curve', curve],
  ] as const
  painter.passes = loops * rounds

  let seed = recipe.images[0]!.seed
  let first: Result | undefined
  let last: Result | undefined
  const kept: OutputPicture[] = []
  for (let round = 0; round < rounds && !painter.isInterrupted; round++) {
    let start: Init = init
    let latest: OutputPicture | undefined
    for (let loop = 0; loop < loops && !painter.isInterrupted; loop++) {
      const denoisingStrength = strengthAt(loop, loops, init.denoisingStrength, finalStrength, curve)
      const images = recipe.images.map((image) => ({ ...image, seed }))
      last = yield* painter.paint({ ...recipe, images, init: { ...start, denoisingStrength } }, { facts })
      first ??= last
      const [image] = last.images
      if (!image || painter.isInterrupted) break
      latest = { picture: image.picture, infotext: painter.told(image.infotext) }
      start = { ...init, pictures: [image.picture], mask: init.mask && { ...init.mask, content: 'original' } }
      seed++
      if (rounds === 1) kept.push(latest)
    }
    if (rounds > 1 && latest && !painter.isInterrupted) kept.push(latest)
  }
  if (!first || !last) throw new StudioError('cancelled', 'interrupted before the first picture')

  const [infotext = ''] = first.images.map((image) => image.infotext)
  const grid =
    kept.length > 1
      ? pictureGrid(
          kept.map(({ picture }) => picture as Rgb8),
          1,
        )
      : undefined
  if (grid) yield painter.grid(first, grid, infotext, 'grid')
  const isShown = grid !== undefined && painter.options.return_grid
  const pictures = [...(isShown ? [{ picture: grid, infotext: undefined }] : []), ...kept]
  return {
    pictures,
    info: {
      ...painter.info(
        last,
        pictures.map(() => infotext),
      ),
      seed: first.recipe.images[0]!.seed,
    },
    notes: recipe.notes,
  }
}

/** The strength of a loop, counted from 0; with a single loop the request's own. */
export function strengthAt(loop: number, loops: number, from: number, to: number, curve: Curve): number {
  if (loops === 1) return from
  const progress = loop / (loops - 1)
  const share = {
    Aggressive: Math.sin(progress * Math.PI * 0.5),
    Linear: progress,
    Lazy: 1 - Math.cos(progress * Math.PI * 0.5),
  }[curve]
  return from + (to - from) * share
}

/** What a script of img2img starts from. */
export function initOf({ init }: Recipe): Init {
  if (!init) throw new Error('internal: an img2img recipe without a start')
  return init
}
