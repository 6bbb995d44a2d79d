import { StudioError } from '../errors.ts'
import { annotatedGrid, type Label } from '../image/annotatedGrid.ts'
import { pictureGrid } from '../image/grid.ts'
import { drawnSeed } from '../pipeline/wire/images.ts'
import { checkbox, choice, readArguments, wholeSlider } from './arguments.ts'
import type { Painter } from './painter.ts'
import type { Processed, TaskProgress } from './processed.ts'
import type { Script } from './script.ts'

const args = [
  checkbox('Put variable parts at start of prompt', false),
  checkbox('Use different seed for each picture', false),
  choice('Select prompt', ['positive', 'negative'], 'positive'),
  choice('Select joining char', ['comma', 'space'], 'comma'),
  wholeSlider('Grid margins (px)', 0, { from: 0, to: 500, step: 2 }),
] as const

/** Parts beyond this would be more than a thousand pictures. */
const mostParts = 10

/** `a|b|c`: a picture for each choice of the optional parts, and a grid with the parts left out struck through. */
export const promptMatrix: Script = {
  title: 'prompt matrix',
  endpoints: ['txt2img', 'img2img'],
  args: () => args,
  run: (painter, given) => run(painter, given),
}

async function* run(painter: Painter, given: readonly unknown[]): AsyncGenerator<TaskProgress, Processed> {
  const [atStart, differentSeeds, which, joiner, margin] = readArguments(given, args)
  const { fields } = painter
  const field = which === 'positive' ? 'prompt' : 'negative_prompt'
  const parts = fields[field].split('|')
  if (parts.length - 1 > mostParts) {
    throw new StudioError('too-large', `${field}: ${parts.length - 1} optional parts, expected at most ${mostParts}`, {
      field,
    })
  }
  const texts = combinations(parts, { atStart, delimiter: joiner === 'comma' ? ', ' : ' ' })
  const seed = drawnSeed(fields.seed)
  const pictures = texts.map((text, i) => ({
    prompt: which === 'positive' ? text : fields.prompt,
    negativePrompt: which === 'negative' ? text : fields.negative_prompt,
    seed: seed + (differentSeeds ? i : 0),
  }))
  const recipe = await painter.recipe({}, pictures)
  const result = yield* painter.paint(recipe)
  const outputs = painter.outputs(result)
  const cells = result.images.map(({ picture }) => picture)
  const info = painter.info(result)
  if (cells.length < texts.length) return { pictures: outputs, info, notes: recipe.notes }

  // Half of the optional parts, the odd one included, tell columns apart; the others tell rows.
  const across = parts.slice(1, 1 + Math.ceil((parts.length - 1) / 2))
  const down = parts.slice(1 + across.length)
  const grid = pictureGrid(cells, 2 ** down.length, painter.options.grid_background_color)
  const annotated = await annotatedGrid(grid, {
    width: Math.max(...cells.map((cell) => cell.width)),
    height: Math.max(...cells.map((cell) => cell.height)),
    columns: labels(across),
    rows: labels(down),
    margin,
    colors: painter.gridColors,
  })
  const [infotext = ''] = info.infotexts
  yield painter.grid(result, annotated, infotext, 'prompt_matrix')
  return {
    pictures: [{ picture: annotated, infotext: undefined }, ...outputs],
    info: { ...info, index_of_first_image: 1, infotexts: [infotext, ...info.infotexts] },
    notes: recipe.notes,
  }
}

/** Every choice of optional parts, counted in binary: the first part is the lowest bit. */
export function combinations(
  [fixed = '', ...optional]: readonly string[],
  { atStart, delimiter }: { readonly atStart: boolean; readonly delimiter: string },
): string[] {
  return Array.from({ length: 2 ** optional.length }, (_, bits) => {
    const chosen = optional.filter((_, i) => (bits & (1 << i)) !== 0).map((part) => part.trim().replace(/^,+|,+$/g, ''))
    return (atStart ? [...chosen, fixed] : [fixed, ...chosen]).join(delimiter)
  })
}

/** For each column (or row) all its parts, those that are left out inactive. */
function labels(parts: readonly string[]): Label[][] {
  return Array.from({ length: 2 ** parts.length }, (_, bits) =>
    parts.map((text, i) => ({ text, isActive: (bits & (1 << i)) !== 0 })),
  )
}
