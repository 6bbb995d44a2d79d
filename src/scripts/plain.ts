import { gridRows, pictureGrid } from '../image/grid.ts'
import { infoOf } from '../pipeline/wire/info.ts'
import type { Painter } from './painter.ts'
import type { Processed, TaskProgress } from './processed.ts'

/** A request without a script: its pictures, and before them a grid where one is saved and wanted. */
export async function* plain(painter: Painter, strength: number | null): AsyncGenerator<TaskProgress, Processed> {
  const recipe = await painter.recipe()
  const result = yield* painter.paint(recipe)
  const info = infoOf(result, strength)
  const pictures = result.images.map(({ picture, infotext }) => ({ picture, infotext: painter.told(infotext) }))
  const { options } = painter
  const isWanted = pictures.length > 1 || (pictures.length === 1 && !options.grid_only_if_multiple)
  if (!painter.saves || !isWanted) return { pictures, info, notes: recipe.notes }

  const rows = options.grid_prevent_empty_spots
    ? 'square-without-gaps'
    : options.n_rows < 0
      ? 'square'
      : options.n_rows === 0
        ? 'batch'
        : options.n_rows
  const grid = pictureGrid(
    pictures.map(({ picture }) => picture),
    gridRows(pictures.length, rows, recipe.batchSize),
    options.grid_background_color,
  )
  const [infotext = ''] = info.infotexts
  await painter.keepGrid(result, grid, infotext, 'grid')
  if (!options.return_grid) return { pictures, info, notes: recipe.notes }
  return {
    pictures: [{ picture: grid, infotext: painter.told(infotext) }, ...pictures],
    info: { ...info, index_of_first_image: 1, infotexts: [infotext, ...info.infotexts] },
    notes: recipe.notes,
  }
}
