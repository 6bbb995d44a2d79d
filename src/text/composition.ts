import { parseNumber, spaceClass, stripEnd, wordClass } from './characters.ts'

/** One of the prompts joined by AND, and how strongly it guides. */
export interface ComposedPrompt {
  readonly text: string
  readonly weight: number
}

const and = new RegExp(`(?<![${wordClass}])AND(?![${wordClass}])`, 'u')
const weightPattern = new RegExp(`^[${spaceClass}]*([-+]?(?:\\p{Nd}+\\.?\\p{Nd}*|\\.\\p{Nd}+))$`, 'u')

/** Splits a prompt at the word AND; each part may end with `: weight`, 1 if it does not. */
export function splitAnd(prompt: string): readonly ComposedPrompt[] {
  return prompt.split(and).map(weighted)
}

function weighted(part: string): ComposedPrompt {
  const text = stripEnd(part)
  const colon = text.lastIndexOf(':')
  const digits = colon < 0 ? undefined : weightPattern.exec(text.slice(colon + 1))?.[1]
  if (digits === undefined) return { text, weight: 1 }
  return { text: stripEnd(text.slice(0, colon)), weight: parseNumber(digits) ?? 1 }
}
