/**
 * The reference matches text with Python's regular expressions, whose classes differ from JavaScript's:
 * `\s` lacks U+FEFF and has U+001C to U+001F and U+0085; `\w` and `\b` know every alphabet. These are
 * class bodies, to be put between square brackets in a `u` expression.
 */
export const spaceClass = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
export const wordClass = '\\p{L}\\p{N}_'

/** Python's `float` of digits in any script, with sign and point; undefined where that is no number. */
export function parseNumber(digits: string): number | undefined {
  const value = Number(digits.replace(/\p{Nd}/gu, asciiDigit))
  return digits === '' || Number.isNaN(value) ? undefined : value
}

/** Decimal digits lie in Unicode in runs of tens; the distance to the run's start tells the value. */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0)!
  let distance = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(code - distance - 1))) distance++
  return String(distance % 10)
}

const space = new RegExp(`[${spaceClass}]`, 'u')

/** Text without whitespace at its start, as Python's `lstrip`. */
export function stripStart(text: string): string {
  let start = 0
  while (start < text.length && space.test(text[start]!)) start++
  return text.slice(start)
}

/** Text without whitespace at its end, as Python's `rstrip`. */
export function stripEnd(text: string): string {
  let end = text.length
  while (end > 0 && space.test(text[end - 1]!)) end--
  return text.slice(0, end)
}

/** Text without whitespace at either end, as Python's `strip`. */
export function strip(text: string): string {
  return stripStart(stripEnd(text))
}
