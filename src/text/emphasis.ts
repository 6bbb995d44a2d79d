import { parseNumber, spaceClass, strip, stripEnd, stripStart, wordClass } from './characters.ts'

/** How brackets weigh tokens; the values of the reference's option `emphasis`. */
export type EmphasisMode = 'Original' | 'No norm' | 'Ignore' | 'None'

/** A run of text whose tokens share one weight. */
export interface EmphasisPiece {
  readonly text: string
  readonly weight: number
}

/** The weight by which a piece "BREAK" says that it is the keyword and not the word. */
const breakWeight = -1
const roundFactor = 1.1
const squareFactor = 1 / 1.1

/**
 * A bracket multiplies every piece since it opened, so hostile nesting costs the square of its length.
 * After this many multiplications brackets still vanish from the text but no longer weigh it; honest
 * prompts use a few hundred.
 */
const multiplicationBudget = 1 << 24

const lexeme = new RegExp(
  [
    '\\\\([()[\\]\\\\])?',
    `:[${spaceClass}]*([+-]?[.\\p{Nd}]+)[${spaceClass}]*\\)`,
    '[([)\\]:]',
    '[^\\\\()[\\]:]+',
  ].join('|'),
  'gu',
)
const breakWord = new RegExp(`(?<![${wordClass}])BREAK(?![${wordClass}])`, 'u')

/** Whether a piece is the keyword BREAK, which ends a chunk. */
export function isBreak(piece: EmphasisPiece): boolean {
  return piece.text === 'BREAK' && piece.weight === breakWeight
}

/**
 * Splits a prompt into pieces of equal weight: `(x)` times 1.1, `[x]` divided by 1.1, `(x:w)` times w,
 * multiplied where nested; `\` makes a bracket literal. An opener without a closer reaches to the end, a
 * closer without an opener is text. In mode None every character is text.
 */
export function parseEmphasis(text: string, mode: EmphasisMode): readonly EmphasisPiece[] {
  if (mode === 'None') return [{ text, weight: 1 }]

  const texts: string[] = []
  const weights: number[] = []
  const roundOpeners: number[] = []
  const squareOpeners: number[] = []
  let budget = multiplicationBudget

  const add = (piece: string, weight: number) => {
    texts.push(piece)
    weights.push(weight)
  }
  const multiplySince = (opener: number, factor: number) => {
    budget -= weights.length - opener
    if (budget < 0) return
    for (let i = opener; i < weights.length; i++) weights[i]! *= factor
  }

  for (const match of text.matchAll(lexeme)) {
    const [word, escaped, digits] = match
    const weight = parseNumber(digits ?? '')
    if (word.startsWith('\\')) add(escaped ?? '', 1)
    else if (word === '(') roundOpeners.push(texts.length)
    else if (word === '[') squareOpeners.push(texts.length)
    else if (weight !== undefined && roundOpeners.length > 0) multiplySince(roundOpeners.pop()!, weight)
    else if (word === ')' && roundOpeners.length > 0) multiplySince(roundOpeners.pop()!, roundFactor)
    else if (word === ']' && squareOpeners.length > 0) multiplySince(squareOpeners.pop()!, squareFactor)
    else {
      const [first = '', ...rest] = word.split(breakWord)
      add(rest.length > 0 ? stripEnd(first) : first, 1)
      for (const [i, part] of rest.entries()) {
        add('BREAK', breakWeight)
        add(i + 1 < rest.length ? strip(part) : stripStart(part), 1)
      }
    }
  }
  for (const opener of roundOpeners) multiplySince(opener, roundFactor)
  for (const opener of squareOpeners) multiplySince(opener, squareFactor)

  return joinEqual(texts, weights)
}

function joinEqual(texts: readonly string[], weights: readonly number[]): readonly EmphasisPiece[] {
  if (texts.length === 0) return [{ text: '', weight: 1 }]
  const pieces: EmphasisPiece[] = []
  for (let from = 0; from < texts.length; ) {
    let to = from + 1
    while (to < texts.length && weights[to] === weights[from]) to++
    pieces.push({ text: texts.slice(from, to).join(''), weight: weights[from]! })
    from = to
  }
  return pieces
}
