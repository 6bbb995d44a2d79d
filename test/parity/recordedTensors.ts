import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import { golden } from './recorded.ts'

/** Cases of which every intermediate tensor was recorded. */
export const tensorSets: readonly string[] = readdirSync(join(golden, 'tensors'))
  .filter((name) => name.endsWith('.safetensors'))
  .map((name) => name.slice(0, -'.safetensors'.length).replace('__', '/'))

/** The tensors of one case by their names, `kind.NNN.part`. */
export interface TensorSet {
  get(name: string): Tensor
  has(name: string): boolean
  /** `prefix.000suffix`, `prefix.001suffix`, … in order. */
  series(prefix: string, suffix?: string): Tensor[]
}

export function tensorsOf(id: string): TensorSet {
  const { entries } = openWeights(join(golden, 'tensors', `${id.replace('/', '__')}.safetensors`))
  const get = (name: string): Tensor => {
    const entry = entries.get(name)
    if (!entry) throw new Error(`${id} has no tensor ${name}`)
    return readWeight(entry)
  }
  return {
    get,
    has: (name) => entries.has(name),
    series(prefix, suffix = '') {
      const names: string[] = []
      for (let i = 0; entries.has(`${prefix}.${String(i).padStart(3, '0')}${suffix}`); i++) {
        names.push(`${prefix}.${String(i).padStart(3, '0')}${suffix}`)
      }
      return names.map(get)
    },
  }
}
