/** An infotext taken apart, nothing added or interpreted. */
export interface SplitInfotext {
  readonly prompt: string
  readonly negativePrompt: string
  /** Parameters in order of appearance, quotes undone; a key may repeat. */
  readonly pairs: readonly (readonly [key: string, value: string])[]
}

/** White space as the reference's language sees it: also the four separators of ASCII, but not the byte order mark. */
const spaceClass = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const space = new RegExp(`[${spaceClass}]`)
const outerSpace = new RegExp(`^[${spaceClass}]+|[${spaceClass}]+$`, 'g')
const wordCharacter = /[\p{L}\p{N}_]/u
const keyCharacter = /[\p{L}\p{N}_ /-]/u

/** Fewer pairs than this and the last line is taken for prompt text. */
const leastPairs = 3
const negativeMark = 'Negative prompt:'

/** Reads the prompt, negative prompt and parameters of an infotext. Takes any text, in linear time. */
export function splitInfotext(text: string): SplitInfotext {
  const lines = strip(text).split('\n')
  let pairs = pairsOf(lines.at(-1)!)
  if (pairs.length < leastPairs) pairs = []
  else lines.pop()

  const prompt: string[] = []
  const negativePrompt: string[] = []
  let target = prompt
  for (const line of lines.map(strip)) {
    const isNegative = line.startsWith(negativeMark)
    if (isNegative) target = negativePrompt
    const content = isNegative ? strip(line.slice(negativeMark.length)) : line
    // Empty lines before the first words are no part of a prompt; later ones are.
    if (target.length > 0 || content !== '') target.push(content)
  }
  return { prompt: prompt.join('\n'), negativePrompt: negativePrompt.join('\n'), pairs }
}

/** A text without its outer white space. */
export function strip(text: string): string {
  return text.replace(outerSpace, '')
}

/**
 * `Key: value` pairs of one line. A key is a word character and at least one more of words, spaces, `-` and `/`;
 * a value is a JSON string that ends at a comma or the end of the line, or else everything up to the next comma.
 */
function pairsOf(line: string): [string, string][] {
  const pairs: [string, string][] = []
  const characters = [...line]
  let keyStart: number | undefined
  let at = 0
  while (at < characters.length) {
    const character = characters[at]!
    if (character === ':' && keyStart !== undefined && at - keyStart > 1) {
      const key = characters.slice(keyStart, at).join('')
      let start = at + 1
      while (start < characters.length && space.test(characters[start]!)) start++
      const end = quotedEnd(characters, start) ?? commaAfter(characters, start)
      pairs.push([key, unquote(characters.slice(start, end).join(''))])
      keyStart = undefined
      at = end + 1
      continue
    }
    if (!keyCharacter.test(character)) keyStart = undefined
    else if (keyStart === undefined && wordCharacter.test(character)) keyStart = at
    at++
  }
  return pairs
}

function commaAfter(characters: readonly string[], start: number): number {
  const comma = characters.indexOf(',', start)
  return comma === -1 ? characters.length : comma
}

/** The end of a quoted value that starts here and is followed by a comma or nothing. */
function quotedEnd(characters: readonly string[], start: number): number | undefined {
  if (characters[start] !== '"') return undefined
  let at = start + 1
  while (at < characters.length && characters[at] !== '"') {
    if (characters[at] === '\\') at++
    at++
  }
  const isClosed = characters[at] === '"' && at > start + 1
  const isLast = at + 1 === characters.length || characters[at + 1] === ','
  return isClosed && isLast ? at + 1 : undefined
}

function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? value : text
  } catch {
    return text
  }
}
