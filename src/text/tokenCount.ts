import { type ChunkOptions, chunkPrompt, textLength } from './chunks.ts'
import { splitAnd } from './composition.ts'
import { parseExtraNetworks } from './extraNetworks.ts'
import { parsePromptSchedule } from './schedule.ts'

/** Tokens of a prompt and the room of the chunks they need, as `12/75` beside a prompt says. */
export interface TokenCount {
  readonly tokens: number
  readonly room: number
}

/**
 * Counts the longest text that a prompt ever stands for over so many steps, without its tags; styles have been
 * merged and comments taken out. A negative prompt is not divided at AND.
 */
export function countTokens(prompt: string, steps: number, isNegative: boolean, options: ChunkOptions): TokenCount {
  const { text } = parseExtraNetworks(prompt)
  const parts = isNegative ? [text] : splitAnd(text).map((part) => part.text)
  const texts = new Set(parts.flatMap((part) => parsePromptSchedule(part, steps).map((entry) => entry.text)))
  const tokens = Math.max(...[...texts].map((each) => chunkPrompt(each, options).tokenCount))
  return { tokens, room: Math.ceil(Math.max(tokens, 1) / textLength) * textLength }
}
