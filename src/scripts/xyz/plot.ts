import { StudioError } from '../../errors.ts'
import { annotatedGrid, type Label } from '../../image/annotatedGrid.ts'
import { pictureGrid } from '../../image/grid.ts'
import { filled, type Rgb8 } from '../../image/picture.ts'
import type { Result } from '../../pipeline/generate.ts'
import { type Fact, infotextOf } from '../../pipeline/infotext.ts'
import type { Recipe } from '../../pipeline/recipe.ts'
import { usesEtaSeedDelta } from '../../pipeline/sampling.ts'
import { drawnSeed } from '../../pipeline/wire/images.ts'
import type { GenerationInfo } from '../../pipeline/wire/info.ts'
import type { Endpoint } from '../../pipeline/wire/request.ts'
import { type Argument, checkbox, chosen, readArguments, textbox, texts, wholeSlider } from '../arguments.ts'
import { type Body, type Painter, passesOf } from '../painter.ts'
import type { OutputPicture, Processed, TaskProgress } from '../processed.ts'
import type { Script } from '../script.ts'
import { type Axis, type AxisValue, axesOf } from './axes.ts'
import { axisValues, joinValues, splitValues } from './values.ts'

/** X/Y/Z plot: a picture for every combination of the values of up to three axes, and grids of them. */
export const xyzPlot: Script = {
  title: 'x/y/z plot',
  endpoints: ['txt2img', 'img2img'],
  args: argumentsOf,
  run,
}

function argumentsOf(endpoint: Endpoint) {
  const types = axesOf(endpoint)
  const axis = (name: string, value: string) =>
    [axisType(`${name} type`, types, value), textbox(`${name} values`), texts(`${name} values`)] as const
  return [
    ...axis('X', 'Seed'),
    ...axis('Y', 'Nothing'),
    ...axis('Z', 'Nothing'),
    checkbox('Draw legend', true),
    checkbox('Include Sub Images', false),
    checkbox('Include Sub Grids', false),
    checkbox('Keep -1 for seeds', false),
    checkbox('Vary seeds for X', false),
    checkbox('Vary seeds for Y', false),
    checkbox('Vary seeds for Z', false),
    wholeSlider('Grid margins (px)', 0, { from: 0, to: 500, step: 2 }),
    checkbox('Use text inputs instead of dropdowns', false),
  ] as const
}

/** A kind of axis, by its position in the list or by its label. */
function axisType(label: string, types: readonly Axis[], value: string): Argument<Axis> {
  const labels = types.map((each) => each.label)
  return {
    info: { label, value, minimum: null, maximum: null, step: null, choices: labels },
    read: (given, field) => {
      const name = chosen(given ?? value, labels, field)
      return types.find((each) => each.label === name)!
    },
  }
}

/** Version 1.2 knew neither varied seeds nor text in place of lists: its 14th argument is the margin. */
function renewed(given: readonly unknown[]): readonly unknown[] {
  return given.length === 14 && typeof given[13] === 'number'
    ? [...given.slice(0, 13), false, false, false, given[13], false]
    : given
}

/** An axis with the values it takes. */
interface Line {
  readonly name: 'X' | 'Y' | 'Z'
  readonly axis: Axis
  readonly values: readonly AxisValue[]
  /** Seeds that were left open have been drawn. */
  readonly isFixed: boolean
  /** What infotexts tell of them: as they were asked for. */
  readonly asked: string
  readonly field: string
}

type Place = readonly [x: number, y: number, z: number]

interface Cell {
  readonly place: Place
  readonly recipe: Recipe | undefined
  /** The recipe as it would be without the request's options: the grids' infotexts are written after these are gone. */
  readonly plain: Recipe | undefined
  readonly note: string | undefined
}

async function* run(painter: Painter, asked: readonly unknown[]): AsyncGenerator<TaskProgress, Processed> {
  const given = renewed(asked)
  const read = readArguments(given, argumentsOf(painter.task.endpoint))
  const [xType, xText, xList, yType, yText, yList, zType, zText, zList, ...flags] = read
  const [hasLegend, keepsCells, keepsSubGrids, keepsRandom, varyX, varyY, varyZ, margin, isText] = flags
  const lines = [
    lineOf(painter, { name: 'X', axis: xType, text: xText, list: xList, position: 1 }, isText, keepsRandom),
    lineOf(painter, { name: 'Y', axis: yType, text: yText, list: yList, position: 4 }, isText, keepsRandom),
    lineOf(painter, { name: 'Z', axis: zType, text: zText, list: zList, position: 7 }, isText, keepsRandom),
  ] as const
  const [xs, ys, zs] = lines
  const count = xs.values.length * ys.values.length * zs.values.length
  if (count === 0) return { pictures: [], info: await nothingOf(painter), notes: ['the plot has no cells'] }
  checkSize(painter, count)

  const { fields } = painter
  const base: Body = keepsRandom ? {} : { seed: drawnSeed(fields.seed), subseed: drawnSeed(fields.subseed) }
  const varied = ([x, y, z]: Place) =>
    (varyX ? x : 0) +
    (varyY ? y * (varyX ? xs.values.length : 1) : 0) +
    (varyZ ? z * (varyX ? xs.values.length : 1) * (varyY ? ys.values.length : 1) : 0)
  const single: Body = painter.options.return_grid ? {} : { batch_size: 1 }
  const cells: Cell[] = []
  for (const place of walkOrder(lines)) {
    cells.push(await cellOf(painter, lines, place, { ...base, ...single }, varied(place)))
  }
  painter.passes = cells.reduce((sum, { recipe }) => sum + (recipe ? passesOf(recipe) : 0), 0)

  const results = new Map<string, Result>()
  const facts = new Map<Cell, string>()
  let first: { readonly cell: Cell; readonly result: Result } | undefined
  for (const cell of cells) {
    if (!cell.recipe || painter.isInterrupted) continue
    const result = yield* painter.paint(cell.recipe)
    if (result.images.length === 0) continue
    results.set(cell.place.join(), result)
    first ??= { cell, result }
    const [x, y] = cell.place
    if (x === 0 && y === 0) facts.set(cell, gridInfotext(cell, result, lines.slice(0, 2)))
  }
  const notes = cells.flatMap(({ note }) => (note === undefined ? [] : [note]))
  if (!first) return { pictures: [], info: await nothingOf(painter), notes }

  const at = (place: Place) => results.get(place.join())
  const size = largest([...results.values()])
  const pictureAt = (place: Place): Rgb8 =>
    at(place)?.images[0]?.picture ?? filled(3, size.width, size.height, [0, 0, 0])
  const colors = painter.gridColors
  const subGrids: Rgb8[] = []
  for (const z of zs.values.keys()) {
    const pictures = ys.values.flatMap((_, y) => xs.values.map((_, x) => pictureAt([x, y, z])))
    const grid = pictureGrid(pictures, ys.values.length)
    subGrids.push(
      hasLegend
        ? await annotatedGrid(grid, { ...size, columns: labelsOf(xs), rows: labelsOf(ys), margin, colors })
        : grid,
    )
  }
  const inRow = pictureGrid(subGrids, 1)
  const subSize = {
    width: Math.max(...subGrids.map(({ width }) => width)),
    height: Math.max(...subGrids.map(({ height }) => height)),
  }
  const main = hasLegend
    ? await annotatedGrid(inRow, { ...subSize, columns: labelsOf(zs), rows: [[]], margin: 0, colors })
    : inRow

  const origin = cells.find(({ place }) => place.every((index) => index === 0))
  const originResult = origin && at(origin.place)
  const mainText = originResult ? gridInfotext(origin, originResult, lines) : ''
  yield painter.grid(first.result, main, mainText, 'xyz_grid')
  return assemble(
    painter,
    { lines, cells, results, first: first.result, subGrids, main, mainText, facts, notes },
    {
      keepsCells,
      keepsSubGrids,
    },
  )
}

interface Plotted {
  readonly lines: readonly Line[]
  readonly cells: readonly Cell[]
  readonly results: ReadonlyMap<string, Result>
  readonly first: Result
  readonly subGrids: readonly Rgb8[]
  readonly main: Rgb8
  readonly mainText: string
  /** Infotexts of the grids of each z, by their first cell. */
  readonly facts: ReadonlyMap<Cell, string>
  readonly notes: readonly string[]
}

/** What goes out: the whole plot, the grids of each z where they are wanted, and the cells where those are. */
function assemble(
  painter: Painter,
  { lines, cells, results, first, subGrids, main, mainText, facts, notes }: Plotted,
  { keepsCells, keepsSubGrids }: { readonly keepsCells: boolean; readonly keepsSubGrids: boolean },
): Processed {
  const [xs, ys, zs] = lines as readonly [Line, Line, Line]
  const places = zs.values.flatMap((_, z) => ys.values.flatMap((_, y) => xs.values.map((_, x): Place => [x, y, z])))
  const made = places.map((place) => results.get(place.join()))
  const size = largest([...results.values()])
  const cellPictures = made.map((result): OutputPicture => {
    const image = result?.images[0]
    if (!image) return { picture: filled(3, size.width, size.height, [0, 0, 0]), infotext: undefined }
    return { picture: image.picture, infotext: painter.told(image.infotext) }
  })
  const cellTexts = made.map((result) => result?.images[0]?.infotext ?? '')
  const plans = made.map((result) => result?.recipe.images[0])
  const isShown = keepsSubGrids
  const grids = isShown ? subGrids.map((picture): OutputPicture => ({ picture, infotext: undefined })) : []
  const gridStarts = zs.values.map((_, z) => z * xs.values.length * ys.values.length)
  const gridTexts = zs.values.map((_, z) => {
    const start = cells.find(({ place }) => place.join() === `0,0,${z}`)
    return (start && facts.get(start)) ?? ''
  })
  const listed = <T>(value: (index: number) => T) => [
    ...(isShown ? gridStarts.map(value) : []),
    ...places.map((_, index) => value(index)),
  ]
  const info: GenerationInfo = {
    ...painter.info(first),
    all_prompts: listed((index) => plans[index]?.prompt ?? ''),
    all_seeds: listed((index) => plans[index]?.seed ?? -1),
    index_of_first_image: 1,
    infotexts: [mainText, ...(isShown ? gridTexts : []), ...cellTexts].slice(
      0,
      keepsCells ? undefined : 1 + grids.length,
    ),
  }
  return {
    pictures: [{ picture: main, infotext: undefined }, ...grids, ...(keepsCells ? cellPictures : [])],
    info,
    notes,
  }
}

/** What names an axis in the request, and what it gives for it. */
interface AskedLine {
  readonly name: Line['name']
  readonly axis: Axis
  readonly text: string
  readonly list: readonly string[]
  readonly position: number
}

function lineOf(
  painter: Painter,
  { name, axis, text, list, position }: AskedLine,
  isText: boolean,
  keepsRandom: boolean,
): Line {
  const isListed = axis.choices !== undefined && !isText
  const field = `script_args.${isListed ? position + 1 : position}`
  if (axis.label === 'Nothing') return { name, axis, values: [0], isFixed: false, asked: '', field }
  const given = isListed ? list : splitValues(text)
  const values = axisValues(given, axis.kind, field)
  if (values.length === 0 && !painter.task.lenient) {
    throw new StudioError('bad-request', `${field}: the axis ${axis.label} has no values`, { field })
  }
  const isFixed = (axis.label === 'Seed' || axis.label === 'Var. seed') && !keepsRandom
  return {
    name,
    axis,
    isFixed,
    values: isFixed ? values.map((value) => drawnSeed(Number(value))) : values,
    asked: isListed ? joinValues(list) : text,
    field,
  }
}

/** Places in an order that changes expensive axes seldom; of equals, z changes least and x most. */
function walkOrder(lines: readonly [Line, Line, Line]): Place[] {
  const order = [2, 1, 0].sort((a, b) => lines[b]!.axis.cost - lines[a]!.axis.cost)
  const [slow, middle, fast] = order as [number, number, number]
  const places: Place[] = []
  for (const i of lines[slow]!.values.keys()) {
    for (const j of lines[middle]!.values.keys()) {
      for (const k of lines[fast]!.values.keys()) {
        const place: [number, number, number] = [0, 0, 0]
        place[slow] = i
        place[middle] = j
        place[fast] = k
        places.push(place)
      }
    }
  }
  return places
}

/** The recipe of one cell; where the request is read leniently, a cell that cannot be made stays empty. */
async function cellOf(
  painter: Painter,
  lines: readonly [Line, Line, Line],
  place: Place,
  base: Body,
  varied: number,
): Promise<Cell> {
  try {
    let body: Body = { ...painter.task.body, ...base }
    const floats: string[] = []
    for (const [i, { axis, values, field }] of lines.entries()) {
      const setting = { studio: painter.studio, body, values, field }
      body = { ...body, ...axis.set(values[place[i]!]!, setting) }
      if (axis.floatOption !== undefined) floats.push(axis.floatOption)
    }
    if (varied > 0) body = { ...body, seed: Number(body.seed) + varied }
    // What is searched for is no network yet: `<lora:style-NUM:STRENGTH>` itself is the picture without any.
    const searched = lines.flatMap(({ axis, values }, i) =>
      axis.label === 'Prompt S/R' && place[i] === 0 ? [String(values[0])] : [],
    )
    const lenient = painter.task.lenient || searched.length > 0
    const recipe = await painter.recipe(body, undefined, floats, lenient)
    const { sd_model_checkpoint, sd_vae } = body.override_settings as Record<string, unknown>
    const plain = await painter.recipe(
      {
        ...body,
        override_settings: {
          ...(sd_model_checkpoint !== undefined && { sd_model_checkpoint }),
          ...(sd_vae !== undefined && { sd_vae }),
        },
        seed: recipe.images[0]!.seed,
        subseed: recipe.images[0]!.subseed,
      },
      undefined,
      floats,
      lenient,
    )
    const note = recipe.notes.find((each) => !painter.task.lenient && searched.some((word) => each.includes(word)))
    return { place, recipe, plain, note }
  } catch (error) {
    if (!painter.task.lenient || !(error instanceof StudioError)) throw error
    return { place, recipe: undefined, plain: undefined, note: error.message }
  }
}

function gridInfotext(
  { plain }: Cell,
  { recipe, facts, usesInpaintingConditioning }: Result,
  lines: readonly Line[],
): string {
  if (!plain) return ''
  const told = lines.flatMap(({ name, axis, asked, values, isFixed }): [string, Fact][] => {
    if (axis.label === 'Nothing') return []
    return [
      [`${name} Type`, axis.label],
      [`${name} Values`, asked],
      ...(isFixed ? [[`Fixed ${name} Values`, values.join(', ')] as [string, Fact]] : []),
    ]
  })
  return infotextOf(plain, 0, {
    checkpoint: recipe.checkpoint,
    vae: recipe.vae,
    usesInpaintingConditioning,
    usesEtaSeedDelta: usesEtaSeedDelta(plain),
    facts: new Map([...facts, ['Script', 'X/Y/Z plot'], ...told]),
  })
}

function labelsOf({ axis, values }: Line): Label[][] {
  return values.map((value) => [{ text: axis.show(value), isActive: true }])
}

function largest(results: readonly Result[]): { width: number; height: number } {
  const pictures = results.map(({ images }) => images[0]!.picture)
  return {
    width: Math.max(...pictures.map(({ width }) => width)),
    height: Math.max(...pictures.map(({ height }) => height)),
  }
}

function checkSize({ fields: { width, height }, options }: Painter, count: number): void {
  const megapixels = Math.round((count * width * height) / 1e6)
  if (megapixels < options.img_max_size_mp) return
  throw new StudioError(
    'too-large',
    `script_args: a grid of ${count} pictures has ${megapixels} megapixels, the option img_max_size_mp allows ${options.img_max_size_mp}`,
    { field: 'script_args' },
  )
}

/** What a plot without pictures tells of itself. */
async function nothingOf(painter: Painter): Promise<GenerationInfo> {
  const recipe = await painter.recipe()
  const info = painter.info({
    recipe,
    images: [],
    facts: new Map(),
    usesInpaintingConditioning: false,
    isInterrupted: false,
  })
  return { ...info, all_prompts: [], all_seeds: [], infotexts: [] }
}
