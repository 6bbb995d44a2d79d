import type { CaptionedRow } from './captioned/importPictures.ts'
import type { EmojiRow } from './emoji/buildEmojiSet.ts'

/** What a picture store may hold to be learnt from: drawings that scenes are made of, or pictures with captions. */
export type TrainingRow = EmojiRow | CaptionedRow

export function isCaptioned(row: TrainingRow): row is CaptionedRow {
  return 'captions' in row
}
