import { StudioError } from '../errors.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { textLength } from './chunks.ts'
import type { TextEmbedding } from './embeddings.ts'

/**
 * The embedding in a file's tensors, as the web UI (`string_to_param.*`), SDXL trainers (`clip_l` and
 * `clip_g`) and diffusers (a single tensor) write it. `name` is what prompts will call it: the file's name
 * without its extension.
 */
export function readEmbedding(name: string, tensors: ReadonlyMap<string, Tensor>): TextEmbedding {
  const clipL = tensors.get('clip_l')
  const clipG = tensors.get('clip_g')
  if (clipL && clipG) {
    const [vectors, vectorsG] = [vectorsOf(name, 'clip_l', clipL), vectorsOf(name, 'clip_g', clipG)]
    if (vectors.shape[0] !== vectorsG.shape[0]) {
      throw wrong(name, `clip_l has ${vectors.shape[0]} vectors and clip_g ${vectorsG.shape[0]}, expected as many`)
    }
    return { name, vectors, vectorsG }
  }
  const learnt = [...tensors].filter(([key]) => key.startsWith('string_to_param.'))
  const [only, ...others] = learnt.length > 0 ? learnt : tensors
  if (!only || others.length > 0) {
    const keys = [...tensors.keys()]
    const found = keys.length > 4 ? `${keys.length} tensors, the first ${keys.slice(0, 4).join(', ')}` : keys.join(', ')
    throw wrong(name, `holds ${found || 'no tensor'}, expected string_to_param.*, clip_l and clip_g, or one tensor`)
  }
  return { name, vectors: vectorsOf(name, ...only) }
}

const bundlePrefix = 'bundle_emb.'

/** The embeddings that a LoRA file brings along under `bundle_emb.NAME.`. */
export function readBundledEmbeddings(tensors: ReadonlyMap<string, Tensor>): readonly TextEmbedding[] {
  const bundles = new Map<string, Map<string, Tensor>>()
  for (const [key, value] of tensors) {
    if (!key.startsWith(bundlePrefix)) continue
    const [name = '', ...rest] = key.slice(bundlePrefix.length).split('.')
    const bundle = bundles.get(name) ?? new Map<string, Tensor>()
    bundles.set(name, bundle.set(rest.join('.'), value))
  }
  return [...bundles].map(([name, bundle]) => readEmbedding(name, bundle))
}

/** A single vector may come without its first dimension. */
function vectorsOf(name: string, key: string, { shape, data }: Tensor): Tensor {
  const [count = 0, width = 0] = shape.length === 1 ? [1, ...shape] : shape
  if (shape.length > 2 || count === 0 || width === 0) {
    throw wrong(name, `${key} is [${shape}], expected [vectors, width]`)
  }
  if (count > textLength) throw wrong(name, `${key} has ${count} vectors, expected at most ${textLength}`)
  return { shape: [count, width], data }
}

function wrong(name: string, message: string): StudioError {
  return new StudioError('wrong-architecture', `embedding ${name}: ${message}`)
}
