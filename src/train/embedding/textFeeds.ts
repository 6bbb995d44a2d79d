import type { Feed } from '../../runtime/session.ts'
import { type ChunkedPrompt, chunkRounds, encoderTokens } from '../../text/chunks.ts'
import type { TokenizerKind } from '../../text/tokenizer.ts'

/** Texts of a batch as the graph reads them; with weights where some token has one and `isWeighed` heeds them. */
export function textFeeds(
  prompts: readonly ChunkedPrompt[],
  options: { readonly vectors: number; readonly kind: TokenizerKind; readonly isWeighed: boolean },
): Record<string, Feed> {
  const rounds = chunkRounds(prompts)
  const chunks = rounds.flat()
  const length = chunks[0]!.tokens.length
  const places = new Float32Array(chunks.length * length * options.vectors)
  for (const [row, { fixes }] of chunks.entries()) {
    for (const { offset } of fixes) {
      const count = Math.min(options.vectors, length - offset)
      for (let i = 0; i < count; i++) places[(row * length + offset + i) * options.vectors + i] = 1
    }
  }
  const weights = chunks.flatMap((chunk) => chunk.weights)
  const hasWeights = options.isWeighed && weights.some((weight) => weight !== 1)
  const tokens = chunks.flatMap((chunk) => encoderTokens(chunk, options.kind))
  return {
    tokens: { shape: [chunks.length, length], data: BigInt64Array.from(tokens, BigInt) },
    places: { shape: [chunks.length * length, options.vectors], data: places },
    ...(hasWeights && { 'token weights': { shape: [chunks.length, length, 1], data: Float32Array.from(weights) } }),
  }
}
