import type { WeightEntry, WeightFile } from '../../src/files/weights.ts'
import { numberedWeights } from './numbered.ts'

/** A model file whose tensors are functions of their names, for the names and shapes given. */
export function numberedFile(path: string, shapes: Readonly<Record<string, readonly number[]>>): WeightFile {
  const entries = new Map<string, WeightEntry>()
  for (const [name, shape] of Object.entries(shapes)) {
    const entry = numberedWeights.get(name, shape)
    if (entry) entries.set(name, entry)
  }
  return { path, format: 'safetensors', metadata: new Map(), entries, foreign: [] }
}
