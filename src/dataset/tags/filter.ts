import { type Captions, tagsOf } from './caption.ts'

/** Tags and how many of them it takes: all, or any. */
export interface TagCondition {
  readonly tags: readonly string[]
  readonly mode: 'and' | 'or'
}

/** Which pictures an edit is for: those that meet `has` and do not meet `lacks`. An empty condition rules nothing out. */
export interface TagFilter {
  readonly has: TagCondition
  readonly lacks: TagCondition
}

/** Every picture. */
export const everything: TagFilter = { has: { tags: [], mode: 'and' }, lacks: { tags: [], mode: 'or' } }

/** The names of the pictures that a filter lets through. */
export function matching(captions: Captions, { has, lacks }: TagFilter): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [name, caption] of captions) {
    const tags = new Set(tagsOf(caption).map((tag) => tag.toLowerCase()))
    const meets = ({ tags: wanted, mode }: TagCondition) =>
      mode === 'and'
        ? wanted.every((tag) => tags.has(tag.toLowerCase()))
        : wanted.some((tag) => tags.has(tag.toLowerCase()))
    if ((has.tags.length === 0 || meets(has)) && (lacks.tags.length === 0 || !meets(lacks))) names.add(name)
  }
  return names
}
