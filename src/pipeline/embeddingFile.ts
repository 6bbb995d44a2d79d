import { readFileSync } from 'node:fs'
import { parse } from 'node:path'
import { constants, inflateSync } from 'node:zlib'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { toRgb } from '../image/channels.ts'
import { decodePicture } from '../image/decode.ts'
import { isPng, pngText } from '../image/pngText.ts'
import { openNetwork } from '../lora/network.ts'
import type { TextEmbedding } from '../text/embeddings.ts'
import { embeddingFromPixels, embeddingFromText } from '../text/pictureEmbedding.ts'
import { embeddingOf } from '../text/textualInversion.ts'
import type { EmbeddingFile, Recipe } from './recipe.ts'

const pictures = /^\.(png|webp|jxl|avif)$/i
/** A textual inversion is some hundred kilobytes of JSON. */
const largestJson = 64 << 20

/** A textual inversion that has been read. */
export interface LearntWord {
  readonly file: EmbeddingFile
  readonly embedding: TextEmbedding
}

/** Reads a recipe's textual inversions. */
export function readEmbeddings({ embeddings }: Pick<Recipe, 'embeddings'>): Promise<LearntWord[]> {
  return Promise.all([...embeddings.values()].map(async (file) => ({ file, embedding: await readEmbedding(file) })))
}

/** Reads a textual inversion of any kind; its trigger is the name unless a picture says otherwise. */
export async function readEmbedding({
  name,
  path,
  isBundled,
}: Pick<EmbeddingFile, 'name' | 'path' | 'isBundled'>): Promise<TextEmbedding> {
  if (isBundled) {
    const tensors = openNetwork(openWeights(path)).embeddings.get(name)
    if (!tensors) throw new StudioError('bad-file', `${path}: no longer brings the embedding ${name}`, { field: path })
    return embeddingOf(name, path, tensors, readWeight)
  }
  if (pictures.test(parse(path).ext)) return embeddingOfPicture(name, path, readFileSync(path))
  return embeddingOf(name, path, openWeights(path).entries, readWeight)
}

async function embeddingOfPicture(name: string, path: string, bytes: Uint8Array): Promise<TextEmbedding> {
  const text = isPng(bytes) ? pngText(bytes).find(([key]) => key === 'sd-ti-embedding')?.[1] : undefined
  if (text !== undefined) return embeddingFromText(name, path, text)
  const found = embeddingFromPixels(name, path, toRgb(await decodePicture(bytes)), inflate)
  if (found) return found
  throw new StudioError('bad-file', `${path}: a picture that carries no textual inversion`, { field: path })
}

/** Inflates data that may be followed by padding. */
function inflate(bytes: Uint8Array): Uint8Array {
  return inflateSync(bytes, { maxOutputLength: largestJson, finishFlush: constants.Z_SYNC_FLUSH })
}
