import { jsonOf } from './fetchPackage.ts'

/** What an emoji shows, in words. */
export interface Subject {
  /** The label as art sets name their icons: `red-apple`. */
  readonly slug: string
  readonly label: string
  readonly tags: readonly string[]
  readonly chineseLabel: string | undefined
  readonly chineseTags: readonly string[]
  /** CLDR's kind: `animals-nature`, `food-drink`, … */
  readonly group: string
}

interface NamedEmoji {
  readonly label: string
  readonly hexcode: string
  readonly tags?: readonly string[]
  readonly group?: number
}

/** Kinds that are symbols or letters rather than pictures of something, or differ by a few pixels only. */
const leftOut: ReadonlySet<string> = new Set(['component', 'flags'])

/** The subjects of emoji, by the name art sets give their icons with all separators taken out. */
export function subjectsOf(files: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Subject> {
  const groups = jsonOf<{ groups: Readonly<Record<string, string>> }>(files, 'meta/groups.json').groups
  const chinese = new Map(jsonOf<readonly NamedEmoji[]>(files, 'zh/data.json').map((emoji) => [emoji.hexcode, emoji]))
  const subjects = new Map<string, Subject>()
  for (const { label, hexcode, tags = [], group } of jsonOf<readonly NamedEmoji[]>(files, 'en/data.json')) {
    const kind = group === undefined ? undefined : groups[group]
    if (kind === undefined || leftOut.has(kind)) continue
    const slug = slugOf(label)
    const zh = chinese.get(hexcode)
    subjects.set(keyOf(slug), {
      slug,
      label,
      tags,
      chineseLabel: zh?.label,
      chineseTags: zh?.tags ?? [],
      group: kind,
    })
  }
  return subjects
}

/** An icon's name with its separators taken out, as sets differ in where they put them. */
export function keyOf(iconName: string): string {
  return iconName.replaceAll('-', '')
}

function slugOf(label: string): string {
  return label
    .toLowerCase()
    .normalize('NFD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}
