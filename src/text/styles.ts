import { strip } from './characters.ts'
import { formatCsv, parseCsv } from './csv.ts'

/** Text that a name adds to a prompt and to a negative prompt, around `{prompt}` or after it. */
export interface Style {
  readonly name: string
  readonly prompt: string
  readonly negativePrompt: string
}

const placeholder = '{prompt}'
const columns = ['name', 'prompt', 'negative_prompt'] as const

/**
 * The styles of a styles.csv. Columns go by their names in the first row; `text` is what old files call the
 * prompt. A name that begins with `#` is a remark; of two styles of one name the later counts, in the place
 * of the first.
 */
export function parseStyles(csv: string): readonly Style[] {
  const [header = [], ...rows] = parseCsv(csv)
  const styles = new Map<string, Style>()
  for (const row of rows) {
    const cell = (column: string) => {
      const index = header.indexOf(column)
      return index < 0 ? undefined : row[index]
    }
    const name = cell('name')
    if (!name || name.startsWith('#')) continue
    styles.set(name, {
      name,
      prompt: cell('prompt') ?? cell('text') ?? '',
      negativePrompt: cell('negative_prompt') ?? '',
    })
  }
  return [...styles.values()]
}

/** A styles.csv of styles, with the byte-order mark that spreadsheets look for. */
export function formatStyles(styles: readonly Style[]): string {
  return `\ufeff${formatCsv([columns, ...styles.map((style) => [style.name, style.prompt, style.negativePrompt])])}`
}

/** A prompt with styles' texts added, one after another. */
export function applyStyles(prompt: string, texts: readonly string[]): string {
  return texts.reduce((merged, text) => {
    if (text.includes(placeholder)) return text.replaceAll(placeholder, () => merged)
    return [strip(merged), strip(text)].filter((part) => part !== '').join(', ')
  }, prompt)
}

/**
 * Finds styles that were applied to a prompt and its negative prompt, and what was there before. A style
 * counts only where both its texts are found; the last applied is found first, then looked for beneath it.
 */
export function extractStyles(
  prompt: string,
  negativePrompt: string,
  styles: readonly Style[],
): { readonly names: readonly string[]; readonly prompt: string; readonly negativePrompt: string } {
  const left = styles.filter((style) => style.prompt !== '' || style.negativePrompt !== '')
  const names: string[] = []
  let rest = { prompt, negativePrompt }
  for (;;) {
    const found = left
      .map((style) => ({
        style,
        prompt: withoutStyle(rest.prompt, style.prompt),
        negativePrompt: withoutStyle(rest.negativePrompt, style.negativePrompt),
      }))
      .find((each) => each.prompt !== undefined && each.negativePrompt !== undefined)
    if (found?.prompt === undefined || found.negativePrompt === undefined) return { names, ...rest }
    names.unshift(found.style.name)
    rest = { prompt: found.prompt, negativePrompt: found.negativePrompt }
    left.splice(left.indexOf(found.style), 1)
  }
}

/** What a style was applied to, or undefined if it was not. */
function withoutStyle(prompt: string, style: string): string | undefined {
  const whole = strip(prompt)
  const text = strip(style)
  const at = text.indexOf(placeholder)
  if (at < 0) {
    if (!whole.endsWith(text)) return undefined
    const before = whole.slice(0, whole.length - text.length)
    return before.endsWith(', ') ? before.slice(0, -2) : before
  }
  const before = text.slice(0, at)
  const after = text.slice(at + placeholder.length)
  if (!whole.startsWith(before) || !whole.endsWith(after)) return undefined
  return whole.slice(before.length, Math.max(before.length, whole.length - after.length))
}
