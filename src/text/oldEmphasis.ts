import {
  type Chunk,
  type ChunkedPrompt,
  type ChunkFix,
  type ChunkOptions,
  chunkLength,
  padded,
  textLength,
} from './chunks.ts'

const factors: Readonly<Record<string, number>> = { '(': 1.1, ')': 1 / 1.1, '[': 1 / 1.1, ']': 1.1 }

/**
 * A prompt as chunks were made before October 2022: every bracket among the tokens multiplies the weight of
 * all that follow it, the token around it is lost with it (`),`), numbers and BREAK are words, and what is
 * beyond 75 tokens is cut off.
 */
export function chunkPromptOld(prompt: string, options: ChunkOptions): ChunkedPrompt {
  const { tokenizer, embeddings, emphasis } = options
  const tokens: number[] = []
  const weights: number[] = []
  const fixes: ChunkFix[] = []
  let weight = 1

  const source = tokenizer.encode(prompt)
  for (let at = 0; at < source.length; ) {
    const token = source[at]!
    const factor = emphasis === 'None' ? 1 : bracketFactor(tokenizer.textOf(token))
    const found = embeddings.longestAt(source, at)
    if (factor !== 1) {
      weight *= factor
      at++
    } else if (found) {
      const count = found.embedding.vectors.shape[0]!
      fixes.push({ offset: tokens.length + 1, embedding: found.embedding })
      tokens.push(...Array<number>(count).fill(0))
      weights.push(...Array<number>(count).fill(weight))
      at += found.length
    } else {
      tokens.push(token)
      weights.push(weight)
      at++
    }
  }

  const chunk: Chunk = padded({
    tokens: tokens.slice(0, textLength),
    weights: weights.slice(0, textLength),
    fixes: fixes.filter(({ offset }) => offset < chunkLength),
  })
  return { chunks: [chunk], tokenCount: tokens.length }
}

/** What the brackets of a token do to the weight together; 1 where it has none or they cancel out. */
function bracketFactor(text: string): number {
  let factor = 1
  for (const sign of text) factor *= factors[sign] ?? 1
  return factor
}
