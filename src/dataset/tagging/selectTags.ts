import type { LabelCategory } from './labels.ts'
import type { Scored } from './tagger.ts'

/** Which of a tagger's words become tags, and how they are written. */
export interface SelectOptions {
  /** Least score by category; those without one take `general`. */
  readonly thresholds: Partial<Record<LabelCategory, number>> & { readonly general: number; readonly character: number }
  /** Whether the likeliest rating, and where, is among the tags. */
  readonly rating: 'none' | 'first' | 'last'
  readonly add: readonly string[]
  readonly exclude: readonly string[]
  readonly order: 'score' | 'alphabet' | 'characters first'
  /** Whether `long_hair` becomes `long hair`; faces such as `>_<` stay. */
  readonly hasSpaces: boolean
  /** Whether brackets get a backslash, as prompts need them. */
  readonly escapesBrackets: boolean
  /** `(tag:0.87)`. */
  readonly hasScores: boolean
}

export const usualSelection: SelectOptions = {
  thresholds: { general: 0.35, character: 0.6 },
  rating: 'none',
  add: [],
  exclude: [],
  order: 'score',
  hasSpaces: true,
  escapesBrackets: false,
  hasScores: false,
}

/** Tags whose underscores are part of a drawn face. */
const kaomoji: ReadonlySet<string> = new Set(
  '0_0 (o)_(o) +_+ +_- ._. <o>_<o> <|>_<|> =_= >_< 3_3 6_9 >_o @_@ ^_^ o_o u_u x_x |_| ||_||'.split(' '),
)

/** The tags of a picture: added words first, then what is sure enough, by the order and the spelling asked for. */
export function selectTags(scores: readonly Scored[], options: SelectOptions): string[] {
  const { thresholds, rating, add, exclude, order, hasSpaces, hasScores } = options
  const spelled = (tag: string) => (hasSpaces && !kaomoji.has(tag) ? tag.replaceAll('_', ' ') : tag)
  const excluded = new Set(exclude.map((tag) => spelled(tag).toLowerCase()))
  const isWanted = (tag: string) => !excluded.has(spelled(tag).toLowerCase())

  const added = add.map((tag): Scored => ({ tag, category: 'general', score: 1 }))
  const taken = new Set(add.map((tag) => spelled(tag)))
  const found = scores.filter(
    ({ tag, category, score }) =>
      category !== 'rating' &&
      category !== 'model' &&
      score >= (thresholds[category] ?? thresholds.general) &&
      !taken.has(spelled(tag)),
  )
  const sorted = [...found].sort((a, b) => {
    if (order === 'alphabet') return a.tag < b.tag ? -1 : 1
    const isFirst = ({ category }: Scored) => (order === 'characters first' && category === 'character' ? 1 : 0)
    return isFirst(b) - isFirst(a) || b.score - a.score
  })
  const rated = rating === 'none' ? [] : likeliestRating(scores)
  const all = [...(rating === 'first' ? rated : []), ...added, ...sorted, ...(rating === 'last' ? rated : [])]
  return all
    .filter(({ tag }) => isWanted(tag))
    .map(({ tag, score }) => {
      const text = options.escapesBrackets ? spelled(tag).replace(/[\\()]/g, '\\$&') : spelled(tag)
      return hasScores ? `(${text}:${score.toFixed(3)})` : text
    })
}

/** Ratings exclude each other: the most likely one holds, however unsure. */
function likeliestRating(scores: readonly Scored[]): Scored[] {
  const ratings = scores.filter(({ category }) => category === 'rating')
  if (ratings.length === 0) return []
  const best = ratings.reduce((a, b) => (b.score > a.score ? b : a))
  return [{ ...best, tag: best.tag.replace(/^rating:/, '') }]
}
