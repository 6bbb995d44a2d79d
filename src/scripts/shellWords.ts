import { StudioError } from '../errors.ts'

/**
 * Words as a POSIX shell takes a line apart: single quotes keep everything, double quotes all but `\"` and `\\`, a
 * backslash elsewhere takes the next character as it is.
 */
export function shellWords(line: string, field: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!
    if (quote === undefined && /\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (quote === undefined && (character === '"' || character === "'")) {
      quote = character
      word ??= ''
    } else if (character === quote) quote = undefined
    else if (character === '\\' && quote !== "'") {
      const next = line[i + 1]
      if (next === undefined) throw unfinished(line, field)
      const isEscape = quote === undefined || next === '"' || next === '\\'
      word = (word ?? '') + (isEscape ? next : character + next)
      i++
    } else word = (word ?? '') + character
  }
  if (quote !== undefined) throw unfinished(line, field)
  return word === undefined ? words : [...words, word]
}

function unfinished(line: string, field: string): StudioError {
  return new StudioError('bad-request', `${field}: a quote is not closed in "${line}"`, { field })
}
