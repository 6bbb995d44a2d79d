/** A text with what is selected in it. */
export interface Selection {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** Puts a tag or word where the cursor is, apart from its neighbours by a comma or a space. */
export function insertInto({ text, start, end }: Selection, inserted: string): Selection {
  const before = text.slice(0, start).trimEnd()
  const after = text.slice(end).trimStart()
  const lead = before === '' ? '' : before.endsWith(',') ? ' ' : ', '
  const trail = after === '' || after.startsWith(',') ? '' : ', '
  const at = before.length + lead.length + inserted.length
  return { text: `${before}${lead}${inserted}${trail}${after}`, start: at, end: at }
}

const delimiters = new Set(' ,./\\!?%^*;:{}=`~()[]<>\n\r\t'.split(''))

/**
 * Changes the emphasis of what is selected, or of the word or bracket at the cursor: `(word:1.1)`, `<lora:name:0.95>`.
 * At 1 the brackets go. Undefined where there is nothing to weigh.
 */
export function weigh({ text, start, end }: Selection, change: number): Selection | undefined {
  const tag = enclosing(text, start, /<\w+:[^:<>]+:(-?[\d.]+)>/g)
  if (tag) {
    const weight = round(tag.weight + change / 2)
    return replaced(text, tag.start, tag.end, tag.body.replace(/:[^:]+>$/, `:${weight}>`))
  }
  const group = enclosing(text, start, /\([^()]*:(-?[\d.]+)\)/g)
  if (group) {
    const weight = round(group.weight + change)
    const inner = group.body.slice(1, group.body.lastIndexOf(':'))
    return replaced(text, group.start, group.end, weight === 1 ? inner : `(${inner}:${weight})`)
  }
  const [from, to] = start === end ? wordAt(text, start) : [start, end]
  const words = text.slice(from, to).trim()
  if (words === '') return undefined
  const offset = from + text.slice(from, to).indexOf(words)
  return replaced(text, offset, offset + words.length, `(${words}:${round(1 + change)})`)
}

function replaced(text: string, from: number, to: number, by: string): Selection {
  return { text: text.slice(0, from) + by + text.slice(to), start: from, end: from + by.length }
}

function enclosing(text: string, at: number, pattern: RegExp) {
  for (const match of text.matchAll(pattern)) {
    const end = match.index + match[0].length
    if (match.index <= at && at <= end) return { start: match.index, end, body: match[0], weight: Number(match[1]) }
  }
  return undefined
}

function wordAt(text: string, at: number): readonly [number, number] {
  let from = at
  let to = at
  while (from > 0 && !delimiters.has(text[from - 1]!)) from--
  while (to < text.length && !delimiters.has(text[to]!)) to++
  return [from, to]
}

const round = (weight: number) => Math.round(weight * 100) / 100
