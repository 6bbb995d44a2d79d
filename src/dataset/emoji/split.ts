import { hashOf } from '../draws.ts'
import type { EmojiRow } from './buildEmojiSet.ts'

/** `training`; `held-out`: a subject seen in other styles only; `other-style`: one of a style that is never trained on. */
export type Split = 'training' | 'held-out' | 'other-style'

/** One in this many renderings of the training styles is held out. */
const heldOutOf = 25

/** Which split a rendering belongs to, decided by its name alone. */
export function splitOf({ set, slug, use }: Pick<EmojiRow, 'set' | 'slug' | 'use'>): Split {
  if (use !== 'training') return 'other-style'
  return hashOf(`${set}/${slug}`) % heldOutOf === 0 ? 'held-out' : 'training'
}

/** Numbers of the rows of a split. */
export function rowsOf(rows: readonly EmojiRow[], split: Split): readonly number[] {
  return rows.flatMap((row, index) => (splitOf(row) === split ? [index] : []))
}
