import { StudioError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { textLength } from './chunks.ts'
import type { TextEmbedding } from './embeddings.ts'

/**
 * The embedding among the tensors of the file `path`, as the web UI (`string_to_param.*`), SDXL trainers
 * (`clip_l` and `clip_g`) and diffusers (a single tensor) write it. Only its own tensors are read; `name` is
 * what prompts will call it.
 */
export function embeddingOf<Stored extends Pick<Tensor, 'shape'>>(
  name: string,
  path: string,
  tensors: ReadonlyMap<string, Stored>,
  read: (stored: Stored) => Tensor,
): TextEmbedding {
  const vectorsOf = (key: string, stored: Stored): Tensor => {
    // A single vector may come without its first dimension.
    const shape = stored.shape.length === 1 ? [1, ...stored.shape] : stored.shape
    const [count = 0, width = 0] = shape
    if (shape.length !== 2 || count === 0 || count > textLength || width === 0) {
      throw wrong(path, `${key} is [${stored.shape}], expected [1 to ${textLength} vectors, width]`)
    }
    return { shape, data: read(stored).data }
  }

  const clipL = tensors.get('clip_l')
  const clipG = tensors.get('clip_g')
  if (clipL && clipG) {
    const [vectors, vectorsG] = [vectorsOf('clip_l', clipL), vectorsOf('clip_g', clipG)]
    if (vectors.shape[0] === vectorsG.shape[0]) return { name, vectors, vectorsG }
    throw wrong(path, `clip_l has ${vectors.shape[0]} vectors and clip_g ${vectorsG.shape[0]}, expected as many`)
  }
  const learnt = [...tensors].filter(([key]) => key.startsWith('string_to_param.'))
  const [only, ...others] = learnt.length > 0 ? learnt : tensors
  if (!only || others.length > 0) {
    const keys = [...tensors.keys()]
    const found = keys.length > 4 ? `${keys.length} tensors, the first ${keys.slice(0, 4).join(', ')}` : keys.join(', ')
    throw wrong(path, `holds ${found || 'no tensor'}, expected string_to_param.*, clip_l and clip_g, or one tensor`)
  }
  return { name, vectors: vectorsOf(...only) }
}

function wrong(path: string, message: string): StudioError {
  return new StudioError('wrong-architecture', `${path}: ${message}`, { field: path })
}
