import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { openWeights } from '../../files/openWeights.ts'
import { readWeight } from '../../files/readWeight.ts'
import { writeSafetensors } from '../../files/writeSafetensors.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { entryOf } from '../checkpoint.ts'

/** Captions as a text encoder is given them. */
export interface CaptionBatch {
  /** Tokens of each caption, 77 for each chunk. */
  readonly tokens: readonly (readonly number[])[]
  /** A weight for each state of each caption, where captions are weighted. */
  readonly tokenWeights?: readonly Float32Array[]
}

/** What contexts are kept by, beside the captions. */
export interface ContextPlace {
  /** Tells the text encoder, and how it is read, from others. */
  readonly encoderHash: string
  /** Undefined keeps them in memory alone. */
  readonly folder: string | undefined
}

/** What the encoder makes of captions: [B, tokens, width]. */
type EncodeCaptions = (captions: CaptionBatch) => Promise<Tensor>

/** Encodes captions, each once, and keeps what it found in memory and, if wanted, on the disk. */
export class ContextCache {
  readonly #encode: EncodeCaptions
  readonly #encoderHash: string
  readonly #folder: string | undefined
  readonly #known = new Map<string, Tensor>()

  constructor(encode: EncodeCaptions, { encoderHash, folder }: ContextPlace) {
    this.#encode = encode
    this.#encoderHash = encoderHash
    this.#folder = folder
  }

  async get({ tokens, tokenWeights }: CaptionBatch): Promise<Tensor> {
    const contexts: Tensor[] = []
    for (const [i, caption] of tokens.entries()) contexts.push(await this.#one(caption, tokenWeights?.[i]))
    const [, states, width] = contexts[0]!.shape as [number, number, number]
    const data = new Float32Array(contexts.length * states * width)
    for (const [i, context] of contexts.entries()) data.set(context.data, i * states * width)
    return { shape: [contexts.length, states, width], data }
  }

  async #one(tokens: readonly number[], weights: Float32Array | undefined): Promise<Tensor> {
    const what = JSON.stringify([this.#encoderHash, tokens, weights && [...weights]])
    const key = createHash('sha256').update(what).digest('hex')
    const known = this.#known.get(key) ?? this.#stored(key) ?? (await this.#encoded(key, tokens, weights))
    this.#known.set(key, known)
    return known
  }

  #stored(key: string): Tensor | undefined {
    if (this.#folder === undefined) return undefined
    try {
      const context = openWeights(join(this.#folder, `${key}.safetensors`)).entries.get('context')
      return context && readWeight(context)
    } catch {
      return undefined // missing, or broken by an accident: encoded anew
    }
  }

  async #encoded(key: string, tokens: readonly number[], weights: Float32Array | undefined): Promise<Tensor> {
    const context = await this.#encode({ tokens: [tokens], ...(weights && { tokenWeights: [weights] }) })
    if (this.#folder !== undefined) {
      writeSafetensors(join(this.#folder, `${key}.safetensors`), [entryOf('context', context)])
    }
    return context
  }
}
