import { bareHtmlEntities, htmlEntities } from './htmlEntities.ts'
import { fromWindows1252 } from './windows1252.ts'

const named: ReadonlyMap<string, string> = new Map(
  htmlEntities
    .trim()
    .split(/\s+/)
    .map((entry) => {
      const [name = '', points = ''] = entry.split('=')
      return [
        name,
        points.split('+').reduce((text, point) => text + String.fromCodePoint(Number.parseInt(point, 16)), ''),
      ]
    }),
)
const bare: ReadonlySet<string> = new Set(bareHtmlEntities.trim().split(/\s+/))
const bareLengths = [...bare].map((name) => name.length)
const longestBare = Math.max(...bareLengths)
const shortestBare = Math.min(...bareLengths)

/** Character references replaced as HTML does, with or without their semicolon: Python's `html.unescape`. */
export function unescapeHtml(text: string): string {
  return text.replace(/&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu, (reference, body: string) => {
    if (body.startsWith('#')) return fromNumber(body)
    const whole = body.endsWith(';') ? named.get(body.slice(0, -1)) : bare.has(body) ? named.get(body) : undefined
    if (whole !== undefined) return whole
    for (let length = Math.min(body.length - 1, longestBare); length >= shortestBare; length--) {
      const prefix = body.slice(0, length)
      if (bare.has(prefix)) return named.get(prefix)! + body.slice(length)
    }
    return reference
  })
}

/**
 * Character references that end in a semicolon, as ftfy replaces them: a name all in capitals also stands
 * for the capital of the entity in small letters (`&EACUTE;`).
 */
export function unescapeHtmlClosed(text: string): string {
  return text.replace(/&(#[0-9]{1,23}|#[xX][0-9a-fA-F]{1,22}|[0-9A-Za-z]{1,24});/gu, (reference, body: string) => {
    if (body.startsWith('#')) return fromNumber(body)
    const capital = body === body.toUpperCase() ? named.get(body.toLowerCase())?.toUpperCase() : undefined
    return named.get(body) ?? capital ?? reference
  })
}

/** The character of `#65`, `#x41`: nothing for controls and noncharacters, U+FFFD beyond Unicode. */
function fromNumber(body: string): string {
  const digits = body.endsWith(';') ? body.slice(1, -1) : body.slice(1)
  const point = /^[xX]/.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number.parseInt(digits, 10)
  if (point === 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return '\ufffd'
  if (point >= 0x80 && point <= 0x9f) return fromWindows1252(point)
  if (point === 0x0d) return '\r'
  const isControl = (point < 0x20 && point !== 0x09 && point !== 0x0a && point !== 0x0c) || point === 0x7f
  const isNoncharacter = (point >= 0xfdd0 && point <= 0xfdef) || (point & 0xfffe) === 0xfffe
  return isControl || isNoncharacter ? '' : String.fromCodePoint(point)
}
