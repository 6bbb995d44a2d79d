import { z } from 'zod'
import { artSets, names } from './emoji/artSets.ts'
import { isCaptioned, type TrainingRow } from './trainingRow.ts'

/** What a model owes to others: a package, its licence and whose work it is. */
export const sourceSchema = z.object({ package: z.string(), licence: z.string(), author: z.string() }).readonly()

export type Source = z.output<typeof sourceSchema>

/** The packages that training on these rows learns from; none where pictures came with captions of their own. */
export function sourcesOf(rows: readonly TrainingRow[]): readonly Source[] {
  const used = new Set(rows.flatMap((row) => (isCaptioned(row) || row.use !== 'training' ? [] : [row.set])))
  if (used.size === 0) return []
  return [...artSets.filter(({ id }) => used.has(id)), names].map((source) => ({
    package: `${source.package}@${source.version}`,
    licence: source.licence,
    author: source.author,
  }))
}
