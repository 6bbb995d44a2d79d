import type { Tensor } from '../tensor/tensor.ts'
import type { Tokenizer } from './tokenizer.ts'

/** Learnt token vectors (textual inversion) that a name in the prompt stands for. */
export interface TextEmbedding {
  readonly name: string
  /** [count, width]: rows that replace token vectors, before positions are added. */
  readonly vectors: Tensor
  /** [count, width of OpenCLIP-G]: SDXL's second encoder's. */
  readonly vectorsG?: Tensor
}

/** Embeddings by the tokens of their names. */
export interface EmbeddingIndex {
  /** The embedding with the longest name that the tokens spell from `at` on, and how many tokens that is. */
  longestAt(
    tokens: readonly number[],
    at: number,
  ): { readonly embedding: TextEmbedding; readonly length: number } | undefined
}

/** Finds embeddings by name as the tokenizer sees it, so without regard to case; of two alike the first wins. */
export function indexEmbeddings(embeddings: readonly TextEmbedding[], tokenizer: Tokenizer): EmbeddingIndex {
  const byFirst = new Map<number, { name: readonly number[]; embedding: TextEmbedding }[]>()
  for (const embedding of embeddings) {
    const name = tokenizer.encode(embedding.name)
    const [first] = name
    if (first === undefined) continue
    const alike = byFirst.get(first) ?? []
    alike.push({ name, embedding })
    byFirst.set(first, alike)
  }
  for (const alike of byFirst.values()) alike.sort((a, b) => b.name.length - a.name.length)
  return {
    longestAt(tokens, at) {
      const match = byFirst.get(tokens[at]!)?.find(({ name }) => name.every((token, i) => tokens[at + i] === token))
      return match && { embedding: match.embedding, length: match.name.length }
    },
  }
}
