import type { Draws } from '../draws.ts'
import { rowsOf, type Split } from '../split.ts'
import type { EmojiRow } from './buildEmojiSet.ts'

/** How often subjects are drawn; a small model that sees few things often learns them well. */
export interface SubjectWeights {
  /** Weight of each subject of a group (`animals-nature`, `food-drink`, …); a group that is not named is left out. */
  readonly groups: Readonly<Record<string, number>>
  /** Subjects, by slug, that are drawn `favouriteWeight` times as often. */
  readonly favourites: readonly string[]
  readonly favouriteWeight: number
}

/** The drawings of a split by subject. */
export interface SubjectPool {
  /** The number of a drawing's row: a subject by weight, then one of its drawings. */
  pick(draws: Draws): number
  /** The same among the drawings of one set, so that two of them look alike. */
  pickOf(set: string, draws: Draws): number
  readonly subjects: number
}

/** Gathers a split's drawings by subject. `folds` is how many parts of the drawings are held out. */
export function subjectPool(
  rows: readonly EmojiRow[],
  split: Split,
  weights: SubjectWeights,
  folds: number,
): SubjectPool {
  const numbers = rowsOf(rows, split, folds)
  const all = weighted(rows, numbers, weights)
  const bySet = new Map<string, Choice>()
  const ofSet = (set: string) => {
    const known = bySet.get(set)
    if (known) return known
    const choice = weighted(
      rows,
      numbers.filter((row) => rows[row]!.set === set),
      weights,
    )
    bySet.set(set, choice)
    return choice
  }
  return {
    pick: (draws) => pick(all, draws),
    pickOf: (set, draws) => pick(ofSet(set), draws),
    subjects: all.drawings.length,
  }
}

interface Choice {
  readonly drawings: readonly (readonly number[])[]
  /** Sums of the weights up to each subject. */
  readonly sums: readonly number[]
}

function weighted(rows: readonly EmojiRow[], numbers: readonly number[], weights: SubjectWeights): Choice {
  const favourites = new Set(weights.favourites)
  const bySubject = new Map<string, number[]>()
  for (const row of numbers) {
    const { slug } = rows[row]!
    const drawings = bySubject.get(slug) ?? []
    drawings.push(row)
    bySubject.set(slug, drawings)
  }
  const drawings: (readonly number[])[] = []
  const sums: number[] = []
  for (const [slug, its] of bySubject) {
    const group = weights.groups[rows[its[0]!]!.group] ?? 0
    const weight = group * (favourites.has(slug) ? weights.favouriteWeight : 1)
    if (weight === 0) continue
    drawings.push(its)
    sums.push((sums.at(-1) ?? 0) + weight)
  }
  return { drawings, sums }
}

function pick({ drawings, sums }: Choice, draws: Draws): number {
  const at = draws.between(0, sums.at(-1) ?? 0)
  const found = drawings[sums.findIndex((sum) => at < sum)]
  if (!found) throw new Error('internal: a choice among no subjects')
  return draws.pick(found)
}
