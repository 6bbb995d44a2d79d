import { hashOf } from './draws.ts'
import { isCaptioned, type TrainingRow } from './trainingRow.ts'

/** `training`; `held-out`: a subject seen in other styles only; `other-style`: one of a style that is never trained on. */
export type Split = 'training' | 'held-out' | 'other-style'

/** Renderings of the training styles fall into so many parts, of which the first is held out. */
const parts = 25

/**
 * Which split a picture belongs to, decided by its name alone, or in a set of captioned ones by its place. `folds` is
 * how many parts are held out: whoever judges a model that was trained with one does not learn from what that model did
 * not learn from, nor from others.
 */
export function splitOf(row: TrainingRow, folds = 1): Split {
  if (isCaptioned(row)) return row.part < folds ? 'held-out' : 'training'
  if (row.use !== 'training') return 'other-style'
  return hashOf(`${row.set}/${row.slug}`) % parts < folds ? 'held-out' : 'training'
}

/** Numbers of the rows of a split. */
export function rowsOf(rows: readonly TrainingRow[], split: Split, folds = 1): readonly number[] {
  return rows.flatMap((row, index) => (splitOf(row, folds) === split ? [index] : []))
}
