import type { EmbeddingIndex, TextEmbedding } from './embeddings.ts'
import { type EmphasisMode, isBreak, parseEmphasis } from './emphasis.ts'
import { bos, comma, eos, type Tokenizer, type TokenizerKind } from './tokenizer.ts'

/** What CLIP reads at once: BOS, 75 tokens of text, EOS. */
export const chunkLength = 77
export const textLength = chunkLength - 2

/** An embedding whose vectors replace those of the tokens from `offset` on; BOS stands at 0. */
export interface ChunkFix {
  readonly offset: number
  readonly embedding: TextEmbedding
}

/** One encoder input: 77 tokens, the emphasis of each, and what to overwrite. Padded with EOS for every encoder. */
export interface Chunk {
  readonly tokens: readonly number[]
  readonly weights: readonly number[]
  readonly fixes: readonly ChunkFix[]
}

export interface ChunkOptions {
  readonly tokenizer: Tokenizer
  readonly embeddings: EmbeddingIndex
  readonly emphasis: EmphasisMode
  /** A full chunk ends after a comma instead if one is among its last so many tokens; 0 never does. */
  readonly commaBacktrack: number
}

/** A prompt's chunks, at least one, and the tokens used of their room; padding between chunks counts as used. */
export interface ChunkedPrompt {
  readonly chunks: readonly Chunk[]
  readonly tokenCount: number
}

/** Text tokens of a chunk in the making, without BOS and EOS. */
interface OpenChunk {
  tokens: number[]
  weights: number[]
  fixes: ChunkFix[]
}

/** A prompt as weighted tokens in chunks of 75; BREAK ends a chunk, embeddings are never divided. */
export function chunkPrompt(prompt: string, options: ChunkOptions): ChunkedPrompt {
  const { tokenizer, embeddings, emphasis, commaBacktrack } = options
  const chunks: Chunk[] = []
  let open: OpenChunk = { tokens: [], weights: [], fixes: [] }
  let lastComma: number | undefined

  const close = () => {
    chunks.push(padded(open))
    open = { tokens: [], weights: [], fixes: [] }
    lastComma = undefined
  }
  const moveBehindComma = (at: number) => {
    const tokens = open.tokens.splice(at + 1)
    const weights = open.weights.splice(at + 1)
    close()
    // Fixes stay behind, as in the reference: an embedding that moves is lost to its placeholders.
    open = { tokens, weights, fixes: [] }
  }

  for (const piece of parseEmphasis(prompt, emphasis)) {
    if (isBreak(piece)) {
      close()
      continue
    }
    const tokens = tokenizer.encode(piece.text)
    for (let at = 0; at < tokens.length; ) {
      const token = tokens[at]!
      const isFull = open.tokens.length === textLength
      if (token === comma) lastComma = open.tokens.length
      else if (isFull && lastComma !== undefined && textLength - lastComma <= commaBacktrack) moveBehindComma(lastComma)
      if (open.tokens.length === textLength) close()

      const found = embeddings.longestAt(tokens, at)
      if (found) {
        const count = Math.min(found.embedding.vectors.shape[0]!, textLength)
        if (open.tokens.length + count > textLength) close()
        open.fixes.push({ offset: open.tokens.length + 1, embedding: found.embedding })
        open.tokens.push(...Array<number>(count).fill(0))
        open.weights.push(...Array<number>(count).fill(piece.weight))
        at += found.length
      } else {
        open.tokens.push(token)
        open.weights.push(piece.weight)
        at++
      }
    }
  }

  const tokenCount = chunks.length * textLength + open.tokens.length
  if (open.tokens.length > 0 || chunks.length === 0) close()
  return { chunks, tokenCount }
}

/**
 * Several prompts for one encoder run after another: the first chunk of each, then the second, and so on.
 * Prompts that have ended go on with empty chunks.
 */
export function chunkRounds(prompts: readonly ChunkedPrompt[]): readonly (readonly Chunk[])[] {
  const count = Math.max(...prompts.map(({ chunks }) => chunks.length))
  const empty = padded({ tokens: [], weights: [], fixes: [] })
  return Array.from({ length: count }, (_, round) => prompts.map(({ chunks }) => chunks[round] ?? empty))
}

/** The 77 token ids an encoder wants: OpenCLIP pads with 0 after the first EOS. */
export function encoderTokens(chunk: Chunk, kind: TokenizerKind): readonly number[] {
  if (kind === 'clip') return chunk.tokens
  const end = chunk.tokens.indexOf(eos)
  return chunk.tokens.map((token, i) => (i > end ? 0 : token))
}

/** At most 75 tokens between BOS and EOS, padded with EOS of weight 1. */
export function padded({ tokens, weights, fixes }: OpenChunk): Chunk {
  const padding = textLength - tokens.length
  return {
    tokens: [bos, ...tokens, ...Array<number>(padding).fill(eos), eos],
    weights: [1, ...weights, ...Array<number>(padding).fill(1), 1],
    fixes,
  }
}
