import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import { readWeight } from '../files/readWeight.ts'
import { prefixes } from '../models/keys.ts'
import type { Model } from './model.ts'
import type { Studio } from './studio.ts'
import { writeEmbedding } from './writeEmbedding.ts'

/** A textual inversion to begin with. */
export interface NewEmbedding {
  /** What prompts will call it. */
  readonly name: string
  readonly vectors: number
  /** Words whose token vectors it starts from; zeros where there are none. */
  readonly text: string
  readonly overwrite: boolean
}

/**
 * Writes a textual inversion that stands for some words, for the checkpoint in use unless another is given, and answers
 * its path.
 */
export function createEmbedding(
  studio: Studio,
  { name, vectors, text, overwrite }: NewEmbedding,
  model: Model = modelInUse(studio),
): string {
  if (!/^[\p{L}\p{N}_.() -]{1,100}$/u.test(name) || /^\.|\.\.|[. ]$/.test(name)) {
    throw new StudioError('bad-request', `name: found "${name}", expected a file name of letters, digits, - and _`, {
      field: 'name',
    })
  }
  const path = join(studio.dataDir, 'embeddings', `${name}.safetensors`)
  if (!overwrite && existsSync(path)) {
    throw new StudioError('conflict', `name: there is an embedding called "${name}" already`, { field: 'name' })
  }
  const { config, weights, checkpoint } = model
  const { kind, width } = config.text
  const key = `${prefixes[kind]}${kind === 'clip' ? 'embeddings.token_embedding.weight' : 'token_embedding.weight'}`
  const entry = weights.get(key)
  if (!entry) throw new Error(`internal: ${checkpoint.name} has no ${key}`)

  const tokens = studio.tokenizer(kind).encode(text)
  const data = new Float32Array(vectors * width)
  if (tokens.length > 0) {
    const table = readWeight(entry).data
    for (let i = 0; i < vectors; i++) {
      const token = tokens[Math.floor((i * tokens.length) / vectors)]!
      data.set(table.subarray(token * width, (token + 1) * width), i * width)
    }
  }
  writeEmbedding(path, { shape: [vectors, width], data })
  return path
}

function modelInUse(studio: Studio): Model {
  const { identity } = studio.library.checkpoint(studio.options.sd_model_checkpoint ?? '', 'sd_model_checkpoint')
  return studio.model({ checkpoint: identity, vae: undefined })
}
