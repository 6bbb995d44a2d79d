import { StudioError } from '../errors.ts'
import { flatten } from '../image/channels.ts'
import type { Rgb8 } from '../image/picture.ts'
import { cutTiles, joinTiles, tileGrid } from '../image/tileGrid.ts'
import type { Result } from '../pipeline/generate.ts'
import { upscale } from '../pipeline/upscale.ts'
import type { Endpoint } from '../pipeline/wire/request.ts'
import { type Argument, chosen, readArguments, remark, slider, wholeSlider } from './arguments.ts'
import { initOf } from './loopback.ts'
import { type Names, namesOf } from './names.ts'
import type { Painter } from './painter.ts'
import type { OutputPicture, Processed, TaskProgress } from './processed.ts'
import type { Script } from './script.ts'

/** A picture is enlarged, cut into tiles, each tile painted anew, and the tiles faded into each other. */
export const sdUpscale: Script = { title: 'sd upscale', endpoints: ['img2img'], args: argumentsOf, run }

/** Beyond this a picture cannot be held. */
const mostPixels = 2 ** 28

function argumentsOf(_: Endpoint, { upscalers }: Names) {
  const upscaler: Argument<string> = {
    info: { label: 'Upscaler', value: 'None', minimum: null, maximum: null, step: null, choices: upscalers },
    read: (given, field) => chosen(given ?? 'None', upscalers, field),
  }
  return [
    remark(
      '<p style="margin-bottom:0.75em">Will upscale the image by the selected scale factor; use width and height sliders to set tile size</p>',
    ),
    wholeSlider('Tile overlap', 64, { from: 0, to: 256, step: 16, limit: 4096 }),
    upscaler,
    slider('Scale Factor', 2, { from: 1, to: 4, step: 0.05, limit: 16 }),
  ] as const
}

async function* run(painter: Painter, given: readonly unknown[]): AsyncGenerator<TaskProgress, Processed> {
  const [, overlap, upscaler, scale] = readArguments(given, argumentsOf('img2img', namesOf(painter.studio)))
  const { batch_size: batchSize, n_iter: rounds } = painter.fields
  const recipe = await painter.recipe({ n_iter: 1, batch_size: Math.max(1, listLength(painter.task.body.init_images)) })
  const { width, height } = recipe
  if (overlap >= Math.min(width, height)) {
    throw new StudioError('bad-request', `script_args.1: an overlap of ${overlap} in tiles of ${width}x${height}`, {
      field: 'script_args.1',
    })
  }
  const init = initOf(recipe)
  const enlarged = await enlarge(painter, flatten(init.pictures[0]!, init.background), upscaler, scale)
  const grid = tileGrid(enlarged, width, height, overlap)
  const tiles = cutTiles(enlarged, grid)
  const batches = Math.ceil(tiles.length / batchSize)
  painter.passes = batches * rounds
  const facts = [
    ['SD upscale overlap', overlap],
    ['SD upscale upscaler', upscaler],
  ] as const

  const firstSeed = recipe.images[0]!.seed
  let first: Result | undefined
  let last: Result | undefined
  const pictures: OutputPicture[] = []
  for (let round = 0; round < rounds; round++) {
    let seed = firstSeed + round
    const painted: Rgb8[] = []
    for (let start = 0; start < tiles.length && !painter.isInterrupted; start += batchSize) {
      const some = tiles.slice(start, start + batchSize)
      const images = some.map((_, i) => ({ ...recipe.images[0]!, seed: seed + i }))
      const part = { ...recipe, images, batchSize: some.length, init: { ...init, pictures: some } }
      last = yield* painter.paint(part, { facts, isPart: true })
      first ??= last
      painted.push(...last.images.map(({ picture }) => picture))
      seed++
    }
    if (!first) throw new StudioError('cancelled', 'interrupted before the first tile')
    // What an interruption leaves unpainted stays as it was enlarged.
    const combined = joinTiles(grid, [...painted, ...tiles.slice(painted.length)])
    yield painter.composed(first, combined, first.images[0]?.infotext ?? '')
    pictures.push({ picture: combined, infotext: undefined })
    if (painter.isInterrupted) break
  }
  if (!first || !last) throw new StudioError('cancelled', 'interrupted before the first tile')
  const infotext = first.images[0]?.infotext ?? ''
  return {
    pictures,
    info: {
      ...painter.info(
        last,
        pictures.map(() => infotext),
      ),
      seed: firstSeed,
      batch_size: batchSize,
    },
    notes: recipe.notes,
  }
}

function listLength(value: unknown): number {
  return Array.isArray(value) ? value.length : 1
}

async function enlarge({ studio, options }: Painter, source: Rgb8, name: string, scale: number): Promise<Rgb8> {
  if (name === 'None') return source
  const side = (length: number) => Math.floor((length * scale) / 8) * 8
  const [width, height] = [side(source.width), side(source.height)]
  if (width * height > mostPixels || Math.min(width, height) < 8) {
    throw new StudioError('too-large', `script_args.3: a picture of ${width}x${height}`, { field: 'script_args.3' })
  }
  const tiles = { size: options.ESRGAN_tile, overlap: options.ESRGAN_tile_overlap }
  return upscale(source, width, height, studio.upscaler(name, tiles))
}
