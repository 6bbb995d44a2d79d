import { textGraph } from '../models/graphs.ts'
import type { Feed } from '../runtime/session.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import { type Chunk, chunkLength, chunkPrompt, chunkRounds, encoderTokens } from '../text/chunks.ts'
import { indexEmbeddings, type TextEmbedding } from '../text/embeddings.ts'
import { applyEmphasis } from '../text/emphasisMath.ts'
import { chunkPromptOld } from '../text/oldEmphasis.ts'
import type { Tokenizer } from '../text/tokenizer.ts'
import type { AdaptedModel } from './networks.ts'
import type { Prompting } from './recipe.ts'
import type { SessionPool } from './sessionPool.ts'

/** What some texts say to the UNet. */
export interface EncodedTexts {
  /** For each text [77 · chunks, width]; all are equally long. */
  readonly contexts: readonly Tensor[]
  /** Names of the embeddings in them, in order of appearance. */
  readonly embeddings: readonly string[]
}

/**
 * Encodes texts that belong together, as the entries of one prompt's schedule do; networks may be upon the encoder at
 * strengths of the picture's own.
 */
export type EncodeTexts = (texts: readonly string[], picture: number) => Promise<EncodedTexts>

/** The text encoder of a model, as prompts of one recipe are read. */
export function textEncoder(
  adapted: AdaptedModel,
  prompting: Prompting,
  embeddings: readonly TextEmbedding[],
  tokenizer: Tokenizer,
  pool: SessionPool,
): EncodeTexts {
  const { kind, width, skippedLayers } = adapted.model.config.text
  const skip = kind === 'clip' ? prompting.clipSkip - 1 : skippedLayers
  const fitting = embeddings.filter(({ vectors }) => vectors.shape[1] === width)
  const chunked = prompting.useOldEmphasis ? chunkPromptOld : chunkPrompt
  const options = {
    tokenizer,
    embeddings: indexEmbeddings(fitting, tokenizer),
    emphasis: prompting.emphasis,
    commaBacktrack: prompting.commaBacktrack,
  }
  const branches = adapted.branches('text')

  const session = () =>
    pool.get('text', `${adapted.key}|text|${skip}|${branches?.reach ?? ''}`, 'mapped', () =>
      textGraph(
        adapted.model.config,
        { weights: adapted.weights, ...(branches && { adapter: branches.adapter }) },
        { skip },
      ),
    )
  const run = async (chunk: Chunk, picture: number): Promise<Tensor> => {
    const ready = await session()
    const { hidden } = await ready.run({
      tokens: { shape: [1, chunkLength], data: BigInt64Array.from(encoderTokens(chunk, kind), BigInt) },
      ...injection(chunk, width),
      ...adapted.feeds(ready, 1, picture),
    })
    if (!hidden) throw new Error('internal: a text encoder without a result')
    return hidden
  }

  const known = new Map<string, Promise<Tensor>>()
  const encode = (chunk: Chunk, picture: number): Promise<Tensor> => {
    const reader = adapted.isVaried ? picture : 0
    const key = JSON.stringify([
      reader,
      chunk.tokens,
      chunk.fixes.map(({ offset, embedding }) => [offset, embedding.name]),
    ])
    const found = known.get(key) ?? run(chunk, picture)
    known.set(key, found)
    return found
  }

  return async (texts, picture) => {
    const rounds = chunkRounds(texts.map((text) => chunked(text, options)))
    const names = rounds.flatMap((chunks) =>
      chunks.flatMap(({ fixes }) => fixes.map(({ embedding }) => embedding.name)),
    )
    const weighed: Tensor[] = []
    for (const chunks of rounds) {
      const hidden: Tensor[] = []
      for (const each of chunks) hidden.push(await encode(each, picture))
      weighed.push(
        applyEmphasis(
          stack(hidden),
          chunks.map(({ weights }) => weights),
          prompting.emphasis,
        ),
      )
    }
    return {
      contexts: texts.map((_, text) => stack(weighed.map((z) => rowOf(z, text)))),
      embeddings: [...new Set(names)],
    }
  }
}

/** The vectors that stand in the place of tokens, and where they do. */
function injection({ fixes }: Chunk, width: number): Record<string, Feed> {
  const injected = new Float32Array(chunkLength * width)
  const isInjected = new Float32Array(chunkLength)
  for (const { offset, embedding } of fixes) {
    const count = Math.min(embedding.vectors.shape[0]!, chunkLength - offset)
    injected.set(embedding.vectors.data.subarray(0, count * width), offset * width)
    isInjected.fill(1, offset, offset + count)
  }
  return {
    injected: { shape: [1, chunkLength, width], data: injected },
    isInjected: { shape: [1, chunkLength, 1], data: isInjected },
  }
}

/** One text's part [tokens, width] of [texts, tokens, width]. */
function rowOf(z: Tensor, row: number): Tensor {
  const { data, shape } = rows(z, row, row + 1)
  return { shape: shape.slice(1), data }
}
