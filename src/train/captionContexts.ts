import type { Session } from '../runtime/session.ts'
import { stack, type Tensor } from '../tensor/tensor.ts'
import { chunkLength, padded, textLength } from '../text/chunks.ts'
import type { Tokenizer } from '../text/tokenizer.ts'

/** Captions encoded at once. */
const encodedAtOnce = 16

/** What a frozen text encoder makes of captions: [captions, 77, width], each distinct one read once. */
export type ReadCaptions = (captions: readonly string[]) => Promise<Tensor>

/** Reads captions by the text encoder of a session; captions longer than a chunk are cut. */
export function captionEncoder(session: Session, width: number, tokenizer: Tokenizer): ReadCaptions {
  const tokensOf = (caption: string) =>
    padded({ tokens: tokenizer.encode(caption).slice(0, textLength), weights: [], fixes: [] }).tokens
  const encode = async (captions: readonly string[]): Promise<readonly Tensor[]> => {
    const count = captions.length
    const { hidden } = await session.run({
      tokens: { shape: [count, chunkLength], data: BigInt64Array.from(captions.flatMap(tokensOf), BigInt) },
      injected: { shape: [count, chunkLength, width], data: new Float32Array(count * chunkLength * width) },
      isInjected: { shape: [count, chunkLength, 1], data: new Float32Array(count * chunkLength) },
    })
    const size = chunkLength * width
    return captions.map((_, i) => ({
      shape: [1, chunkLength, width],
      data: hidden!.data.subarray(i * size, (i + 1) * size),
    }))
  }

  // The empty caption comes again in every batch.
  let empty: Tensor | undefined
  return async (captions) => {
    const contexts = new Map<string, Tensor>()
    if (empty) contexts.set('', empty)
    const missing = [...new Set(captions)].filter((caption) => !contexts.has(caption))
    for (let from = 0; from < missing.length; from += encodedAtOnce) {
      const some = missing.slice(from, from + encodedAtOnce)
      for (const [i, context] of (await encode(some)).entries()) contexts.set(some[i]!, context)
    }
    empty = contexts.get('')
    return stack(captions.map((caption) => contexts.get(caption)!))
  }
}
