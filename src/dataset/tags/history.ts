import type { Captions } from './caption.ts'

/** Captions with the way they came. */
export interface History {
  readonly past: readonly Captions[]
  readonly present: Captions
  readonly future: readonly Captions[]
}

export function startHistory(present: Captions): History {
  return { past: [], present, future: [] }
}

/** After an edit; what had been undone is no more. */
export function advanced({ past, present }: History, next: Captions): History {
  return { past: [...past, present], present: next, future: [] }
}

/** One edit back; itself at the beginning. */
export function undone(history: History): History {
  const { past, present, future } = history
  const before = past.at(-1)
  return before ? { past: past.slice(0, -1), present: before, future: [present, ...future] } : history
}

/** One edit forth; itself at the end. */
export function redone(history: History): History {
  const { past, present, future } = history
  const [next, ...rest] = future
  return next ? { past: [...past, present], present: next, future: rest } : history
}

/** What differs between two states of a set's captions. */
export function changes(before: Captions, after: Captions): readonly { name: string; before: string; after: string }[] {
  return [...after]
    .map(([name, text]) => ({ name, before: before.get(name) ?? '', after: text }))
    .filter((each) => each.before !== each.after)
}
