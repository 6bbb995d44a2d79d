import { spaceClass } from './characters.ts'

/**
 * A prompt as a flat list of marks: text, and groups of alternatives that open, separate and close. Flat,
 * so that neither reading nor writing recurses, however deeply a prompt is nested.
 */
export type Mark =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'open'; readonly choice: Choice }
  | { readonly kind: 'next' }
  | { readonly kind: 'close' }

/** What decides which part of a group is shown: the step, against `when` or in turn. */
export type Choice = { readonly kind: 'at'; readonly when: string } | { readonly kind: 'turn'; readonly parts: number }

/** A bracket that is still open: where it stands, and the colons and bars directly inside it. */
interface OpenGroup {
  readonly at: number
  readonly bracket: '(' | '['
  readonly colons: number[]
  readonly bars: number[]
}

/** A closed square bracket that schedules or alternates. */
interface Group extends OpenGroup {
  readonly end: number
  readonly choice: Choice
}

const special = /\\[^\n]|[\\()[\]:|]/g
const number = new RegExp(
  `^[${spaceClass}]*([+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[${spaceClass}]*$`,
  'u',
)

/**
 * Reads `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b|…]`, nested in each other, in `(…)`, `(…:…)`
 * and in `[…]`, which stay text. A bracket that fits none of these is text too, as is everything around
 * what does fit. Undefined where the prompt is outside the grammar and all of it is text: a `|` that
 * belongs to no square bracket, or a backslash with nothing to escape.
 */
export function parseScheduleSyntax(prompt: string): readonly Mark[] | undefined {
  const groups: Group[] = []
  let open: OpenGroup[] = []
  let bars = 0

  for (const { 0: sign, index: at } of prompt.matchAll(special)) {
    const group = open.at(-1)
    if (sign.length > 1) continue
    switch (sign) {
      case '\\':
        return undefined
      case '(':
      case '[':
        open.push({ at, bracket: sign, colons: [], bars: [] })
        break
      case ':':
        group?.colons.push(at)
        break
      case '|':
        bars++
        group?.bars.push(at)
        break
      default: {
        const choice = group && closes(group, sign) ? choiceOf(group, prompt, at) : undefined
        // A bracket holding what fits no rule fits none itself, nor does any around it.
        if (!group || choice === undefined) open = []
        else {
          open.pop()
          if (choice) groups.push({ ...group, end: at, choice })
        }
      }
    }
  }

  const barsInGroups = groups.reduce((sum, group) => sum + group.bars.length, 0)
  return bars === barsInGroups ? marksOf(prompt, groups) : undefined
}

function closes(group: OpenGroup, bracket: string): boolean {
  return group.bracket === (bracket === ')' ? '(' : '[')
}

/** What a bracket closed at `end` chooses by: null if it is emphasis, undefined if it fits no rule. */
function choiceOf({ bracket, colons, bars }: OpenGroup, prompt: string, end: number): Choice | null | undefined {
  if (bracket === '(') return bars.length === 0 && colons.length <= 1 ? null : undefined
  if (bars.length > 0) return colons.length === 0 ? { kind: 'turn', parts: bars.length + 1 } : undefined
  if (colons.length === 0) return null
  if (colons.length > 2) return undefined
  const when = number.exec(prompt.slice(colons.at(-1)! + 1, end))?.[1]
  return when === undefined ? undefined : { kind: 'at', when }
}

function marksOf(prompt: string, groups: readonly Group[]): readonly Mark[] {
  type Cut = { readonly from: number; readonly to: number; readonly marks: readonly Mark[] }
  const cuts: Cut[] = groups.flatMap((group): Cut[] => {
    const { at, end, choice, colons, bars } = group
    const next = (from: number): Cut => ({ from, to: from + 1, marks: [{ kind: 'next' }] })
    const close = (from: number): Cut => ({ from, to: end + 1, marks: [{ kind: 'close' }] })
    const open: Mark = { kind: 'open', choice }
    if (choice.kind === 'turn') return [{ from: at, to: at + 1, marks: [open] }, ...bars.map(next), close(end)]
    // `[to:when]` is `[:to:when]`.
    if (colons.length === 1) return [{ from: at, to: at + 1, marks: [open, { kind: 'next' }] }, close(colons[0]!)]
    return [{ from: at, to: at + 1, marks: [open] }, next(colons[0]!), close(colons[1]!)]
  })
  cuts.sort((a, b) => a.from - b.from)

  const marks: Mark[] = []
  let from = 0
  for (const cut of cuts) {
    if (cut.from > from) marks.push({ kind: 'text', text: prompt.slice(from, cut.from) })
    marks.push(...cut.marks)
    from = cut.to
  }
  if (from < prompt.length) marks.push({ kind: 'text', text: prompt.slice(from) })
  return marks
}
