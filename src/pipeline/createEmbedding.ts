import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import { readWeight } from '../files/readWeight.ts'
import { prefixes } from '../models/keys.ts'
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

/** Writes a textual inversion for the checkpoint in use that stands for some words, and answers its path. */
export function createEmbedding(studio: Studio, { name, vectors, text, overwrite }: NewEmbedding): string {
  if (!/^[\p{L}\p{N}_.() -]{1,100}$/u.test(name) || /^\.|\.\.|[. ]$/.test(name)) {
    throw new StudioError('bad-request', `name: found "${name}", expected a file name of letters, digits, - and _`, {
      field: 'name',
    })
  }
  const path = join(studio.dataDir, 'embeddings', `${name}.safetensors`)
  if (!overwrite && existsSync(path)) {
    throw new StudioError('conflict', `name: there is an embedding called "${name}" already`, { field: 'name' })
  }
  const { identity } = studio.library.checkpoint(studio.options.sd_model_checkpoint ?? '', 'sd_model_checkpoint')
  const { config, weights } = studio.model({ checkpoint: identity, vae: undefined })
  const { kind, width } = config.text
  const key = `${prefixes[kind]}${kind === 'clip' ? 'embeddings.token_embedding.weight' : 'token_embedding.weight'}`
  const entry = weights.get(key)
  if (!entry) throw new Error(`internal: ${identity.name} has no ${key}`)

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
