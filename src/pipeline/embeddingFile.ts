import { readFileSync } from 'node:fs'
import { parse } from 'node:path'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { TextEmbedding } from '../text/embeddings.ts'
import { embeddingOfPicture } from './pictureEmbedding.ts'

const pictures = /^\.(png|webp|jxl|avif)$/i

/** Reads a textual inversion of any kind; its trigger is `name` unless a picture says otherwise. */
export async function readEmbedding(name: string, path: string): Promise<TextEmbedding> {
  if (pictures.test(parse(path).ext)) return embeddingOfPicture(name, path, readFileSync(path))
  return embeddingOf(name, path, openWeights(path).entries)
}

/** The vectors among the tensors of a file: A1111's `string_to_param`, SDXL's pair, or the only tensor there is. */
export function embeddingOf(name: string, path: string, entries: ReadonlyMap<string, WeightEntry>): TextEmbedding {
  const [clipL, clipG] = [entries.get('clip_l'), entries.get('clip_g')]
  if (clipL && clipG) {
    return { name, vectors: vectorsOf(path, readWeight(clipL)), vectorsG: vectorsOf(path, readWeight(clipG)) }
  }
  const parameters = [...entries].filter(([key]) => key.startsWith('string_to_param.'))
  const candidates = parameters.length > 0 ? parameters : [...entries]
  const [only] = candidates
  if (!only || candidates.length > 1) {
    throw new StudioError('wrong-architecture', `${path}: ${entries.size} tensors, expected one textual inversion`, {
      field: path,
    })
  }
  return { name, vectors: vectorsOf(path, readWeight(only[1])) }
}

/** [count, width]; a single vector may come without its first dimension. */
export function vectorsOf(path: string, { shape, data }: Tensor): Tensor {
  const vectors = shape.length === 1 ? { shape: [1, ...shape], data } : { shape, data }
  if (vectors.shape.length === 2 && data.length > 0 && vectors.shape[0]! <= 75) return vectors
  throw new StudioError('wrong-architecture', `${path}: a tensor of [${shape.join(', ')}], expected 1 to 75 vectors`, {
    field: path,
  })
}
