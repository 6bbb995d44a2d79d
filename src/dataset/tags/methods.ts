import { type Captions, captionOf, tagsOf } from './caption.ts'
import { categoryOf, isCharacteristic, type TagCategory } from './categories.ts'
import { countTags } from './count.ts'

/** A tag of a set and what method 2 would do with it. */
export interface TagAdvice {
  readonly tag: string
  readonly count: number
  /** Share of the captions it stands in. */
  readonly share: number
  readonly category: TagCategory | undefined
  readonly goes: boolean
  readonly why: string
}

export interface MethodOptions {
  /** Share of the captions from which a characteristic tag belongs to the subject. */
  readonly leastShare: number
  /** Tags that stay, whatever is suggested. */
  readonly keep: readonly string[]
  /** Tags that go, whatever is suggested. */
  readonly drop: readonly string[]
  readonly trigger: string | undefined
}

/** A third of the pictures: taggers miss hair and eyes in many. */
export const usualShare = 0.3

/**
 * Method 2 of tagging a character: words for what it *is* (hair, eyes, skin, face, body) are taken out of the captions,
 * so that the trigger word alone comes to mean them; words for what may change (action, expression, clothes, background,
 * framing) stay, so that they can still be asked for. (Method 1 keeps everything.)
 */
export function adviseRemoval(captions: Captions, { leastShare, keep, drop, trigger }: MethodOptions): TagAdvice[] {
  const lower = (tags: readonly string[]) => new Set(tags.map((tag) => tag.toLowerCase()))
  const [kept, dropped] = [lower(keep), lower(drop)]
  return [...countTags(captions)].map(([tag, count]) => {
    const share = count / captions.size
    const category = categoryOf(tag)
    const advice = (goes: boolean, why: string): TagAdvice => ({ tag, count, share, category, goes, why })
    if (tag === trigger?.toLowerCase()) return advice(false, 'the trigger word')
    if (kept.has(tag)) return advice(false, 'asked to stay')
    if (dropped.has(tag)) return advice(true, 'asked to go')
    if (!isCharacteristic(category)) return advice(false, category ?? 'of no known kind')
    if (share >= leastShare) return advice(true, `${category} in ${Math.round(share * 100)} % of the captions`)
    return advice(false, `${category}, but only in ${Math.round(share * 100)} % of the captions`)
  })
}

/** Captions without the tags that go. */
export function withoutAdvised(captions: Captions, advice: readonly TagAdvice[]): Captions {
  const goes = new Set(advice.filter((each) => each.goes).map(({ tag }) => tag))
  return new Map(
    [...captions].map(([name, caption]) => {
      const tags = tagsOf(caption)
      const left = tags.filter((tag) => !goes.has(tag.toLowerCase()))
      return [name, left.length === tags.length ? caption : captionOf(left)]
    }),
  )
}
