import { type Captions, tagsOf } from './caption.ts'

/** In how many captions each tag stands, in lower case, most frequent first. */
export function countTags(captions: Captions): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const caption of captions.values()) {
    for (const tag of new Set(tagsOf(caption).map((each) => each.toLowerCase()))) {
      counts.set(tag, (counts.get(tag) ?? 0) + 1)
    }
  }
  return new Map([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)))
}
