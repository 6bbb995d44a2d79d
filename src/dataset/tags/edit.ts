import { StudioError } from '../../errors.ts'
import { type Captions, captionOf, tagsOf, withPlainCommas } from './caption.ts'
import { countTags } from './count.ts'

/** What becomes of one caption. */
export type CaptionEdit = (caption: string) => string

/** Captions with those of some pictures edited. */
export function edited(captions: Captions, names: ReadonlySet<string>, edit: CaptionEdit): Captions {
  return new Map([...captions].map(([name, caption]) => [name, names.has(name) ? edit(caption) : caption]))
}

/** An edit of the list of tags. */
const ofTags =
  (edit: (tags: readonly string[]) => readonly string[]): CaptionEdit =>
  (caption) =>
    captionOf(edit(tagsOf(caption)))

const isAmong = (tags: readonly string[]) => {
  const lower = new Set(tags.map((tag) => tag.toLowerCase()))
  return (tag: string) => lower.has(tag.toLowerCase())
}

/** Tags put before or behind the others; those that are there move to that place. */
export function addTags(added: readonly string[], at: 'start' | 'end'): CaptionEdit {
  const isAdded = isAmong(added)
  return ofTags((tags) => {
    const others = tags.filter((tag) => !isAdded(tag))
    return at === 'start' ? [...added, ...others] : [...others, ...added]
  })
}

/** The word that a LoRA is called by, at the very beginning. */
export function prependTrigger(trigger: string): CaptionEdit {
  return addTags([trigger.trim()], 'start')
}

/** Without some tags; one that is not there is no mistake. */
export function removeTags(removed: readonly string[]): CaptionEdit {
  const isRemoved = isAmong(removed)
  return ofTags((tags) => tags.filter((tag) => !isRemoved(tag)))
}

/**
 * Tags exchanged by their position in two lists: an empty new one removes, and what the new list has more is added
 * at the end, or the beginning.
 */
export function exchangeTags(from: readonly string[], to: readonly string[], at: 'start' | 'end'): CaptionEdit {
  const lower = from.map((tag) => tag.toLowerCase())
  const extra = to.slice(from.length).filter((tag) => tag !== '')
  return ofTags((tags) => {
    const exchanged = tags
      .map((tag) => (lower.includes(tag.toLowerCase()) ? (to[lower.indexOf(tag.toLowerCase())] ?? '') : tag))
      .filter((tag) => tag !== '')
    return at === 'start' ? [...extra, ...exchanged] : [...exchanged, ...extra]
  })
}

export interface Replacement {
  readonly find: string
  readonly replace: string
  readonly isRegex: boolean
  /** The caption as one text, each tag by itself, or some tags by themselves. */
  readonly scope: 'caption' | 'tags' | { readonly tags: readonly string[] }
}

/** Search and replace; tags that become empty go. */
export function replaceText({ find, replace, isRegex, scope }: Replacement): CaptionEdit {
  const pattern = isRegex ? compiled(find) : undefined
  const replaced = (text: string) =>
    pattern ? text.replace(pattern, replace) : find === '' ? text : text.replaceAll(find, () => replace)
  if (scope === 'caption') return replaced
  const isSelected = scope === 'tags' ? () => true : isAmong(scope.tags)
  return ofTags((tags) => tags.map((tag) => (isSelected(tag) ? replaced(tag).trim() : tag)).filter((tag) => tag !== ''))
}

function compiled(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'gu')
  } catch (cause) {
    throw new StudioError('bad-request', `${pattern}: no regular expression: ${(cause as Error).message}`, { cause })
  }
}

/** Each tag once, where it first stands. */
export const dedupe: CaptionEdit = ofTags((tags) => {
  const seen = new Set<string>()
  return tags.filter((tag) => !seen.has(tag.toLowerCase()) && seen.add(tag.toLowerCase()))
})

export type SortKey = 'alphabet' | 'frequency' | 'length'

/** Tags in order, but for `kept` ones at the beginning; frequency is that in the whole set. */
export function sortTags(captions: Captions, key: SortKey, isDescending: boolean, kept = 0): CaptionEdit {
  const counts = countTags(captions)
  const rank = {
    alphabet: () => 0,
    frequency: (tag: string) => counts.get(tag.toLowerCase()) ?? 0,
    length: (tag: string) => tag.length,
  }[key]
  const direction = isDescending ? -1 : 1
  const collator = new Intl.Collator('en', { numeric: true })
  return ofTags((tags) => [
    ...tags.slice(0, kept),
    ...tags.slice(kept).sort((a, b) => {
      if (key === 'alphabet') return direction * collator.compare(a, b)
      return direction * (rank(a) - rank(b)) || collator.compare(a, b)
    }),
  ])
}

/** The tags from the beginning that fit into so many tokens, separators counted. */
export function truncate(most: number, tokens: (text: string) => number): CaptionEdit {
  return ofTags((tags) => {
    let count = tags.length
    while (count > 0 && tokens(captionOf(tags.slice(0, count))) > most) count--
    return tags.slice(0, count)
  })
}

/** Chinese and Japanese commas as commas. */
export const plainCommas: CaptionEdit = withPlainCommas
