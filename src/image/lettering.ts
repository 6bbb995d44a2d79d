import { readFileSync } from 'node:fs'

/** Outlines in thousandths of the letter size, y downwards from the base line: advance and SVG path. */
interface Letters {
  readonly ascent: number
  readonly descent: number
  readonly letters: Readonly<Record<string, readonly [advance: number, path: string]>>
}

let loaded: Letters | undefined

function letters(): Letters {
  loaded ??= JSON.parse(readFileSync(new URL('../../assets/letters.json', import.meta.url), 'utf8')) as Letters
  return loaded
}

const unit = 1000

/** A letter that has no outline here is left to the system's fonts; those of East Asia are square. */
function advanceOf(letter: string): number {
  return letters().letters[letter]?.[0] ?? (/[\u1100-\uffff]|[^\0-\uffff]/u.test(letter) ? unit : unit * 0.6)
}

/** How wide a line is at this size, in pixels. */
export function lineWidth(text: string, size: number): number {
  let sum = 0
  for (const letter of text) sum += advanceOf(letter)
  return (sum * size) / unit
}

/** Top and bottom of what ink there is in a line, in pixels from its base line downwards; both 0 where there is none. */
export function inkSpan(text: string, size: number): readonly [top: number, bottom: number] {
  let [top, bottom] = [0, 0]
  for (const letter of text) {
    const path = letters().letters[letter]?.[1]
    if (path === undefined) [top, bottom] = [Math.min(top, -800), Math.max(bottom, 120)]
    else for (const y of heightsIn(path)) [top, bottom] = [Math.min(top, y), Math.max(bottom, y)]
  }
  return [(top * size) / unit, (bottom * size) / unit]
}

/** The y of every point of a path of M, L, H, V and Q. */
function* heightsIn(path: string): Generator<number> {
  for (const [, command, numbers = ''] of path.matchAll(/([MLHVQ])([^MLHVQZ]*)/g)) {
    if (command === 'H') continue
    const values = numbers.match(/-?\d+/g)?.map(Number) ?? []
    for (let i = command === 'V' ? 0 : 1; i < values.length; i += command === 'V' ? 1 : 2) yield values[i]!
  }
}

/** A line as SVG, its base line starting at (x, y). */
export function lineSvg(text: string, x: number, y: number, size: number, color: string): string {
  let at = 0
  const parts: string[] = []
  for (const letter of text) {
    const path = letters().letters[letter]?.[1]
    if (path === undefined) {
      parts.push(`<text x="${at}" y="0" font-size="${unit}" font-family="sans-serif">${escaped(letter)}</text>`)
    } else if (path !== '') parts.push(`<path transform="translate(${at})" d="${path}"/>`)
    at += advanceOf(letter)
  }
  return `<g fill="${color}" transform="translate(${x} ${y}) scale(${size / unit})">${parts.join('')}</g>`
}

/** Characters that mean something in SVG, and those that it may not hold at all. */
function escaped(letter: string): string {
  if (/\p{Cc}|\p{Cs}/u.test(letter)) return ''
  return `&#${letter.codePointAt(0)};`
}

/** A text in lines no wider than `width`, broken at spaces; a word that is wider alone has a line of its own. */
export function wrapped(text: string, size: number, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word
    if (lines.length > 0 && lineWidth(longer, size) <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}
