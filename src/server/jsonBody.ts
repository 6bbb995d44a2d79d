import { StudioError } from '../errors.ts'

/**
 * The value of a JSON body. Depth is counted before parsing, because parsing is what depth hurts, and a key that would
 * reach for prototypes is refused.
 */
export function parseJsonBody(text: string, depth: number): unknown {
  checkDepth(text, depth)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new StudioError('malformed', `the body is not JSON: ${(cause as Error).message}`, { cause })
  }
  if (text.includes('__proto__') || text.includes('\\u')) refusePrototypes(value)
  return value
}

/** Reads the text once and remembers nothing but where it is: strings do not count. */
function checkDepth(text: string, most: number): void {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case quote:
        i = endOfString(text, i)
        break
      case openBrace:
      case openBracket:
        if (++depth > most) throw new StudioError('malformed', `the body nests deeper than ${most} levels`)
        break
      case closeBrace:
      case closeBracket:
        depth--
    }
  }
}

/** Where a string that begins at `start` ends. Pictures are strings of megabytes: they are leapt over. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end < 0 ? text.length : end
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === backslash) backslashes++
  return backslashes % 2 === 1
}

function refusePrototypes(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (Object.hasOwn(value, '__proto__')) {
    throw new StudioError('malformed', 'the body has a field "__proto__", which nobody needs', { field: '__proto__' })
  }
  for (const each of Object.values(value)) refusePrototypes(each)
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
