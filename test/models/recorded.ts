import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import { type ModelConfig, sd1 } from '../../src/models/configs.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'

/** One result of scripts/goldens/models.py, with how it was made. */
export interface Recorded {
  readonly name: string
  readonly config: ModelConfig
  /** A latent's height and width. */
  readonly size: readonly [number, number]
  readonly skip: number
  readonly isTiling: boolean
  readonly tokenMergingRatio: number
  readonly expected: Tensor
}

/** The recorded results of one kind of model. */
export function recorded(part: 'text' | 'unet' | 'vae'): readonly Recorded[] {
  const file = openWeights('src/models/goldens/models.safetensors')
  const cases = Object.entries(JSON.parse(file.metadata.get('cases') ?? '{}') as Record<string, Case>)
  return cases
    .filter(([name]) => name.startsWith(`${part}/`))
    .map(([name, { config, size, skip, tiling, tokenMergingRatio }]) => ({
      name,
      config: { ...sd1, [part]: { ...sd1[part], ...config } },
      size: size ?? [0, 0],
      skip: skip ?? 0,
      isTiling: tiling ?? false,
      tokenMergingRatio: tokenMergingRatio ?? 0,
      expected: readWeight(file.entries.get(name)!),
    }))
}

interface Case {
  readonly config: object
  readonly size?: readonly [number, number]
  readonly skip?: number
  readonly tiling?: boolean
  readonly tokenMergingRatio?: number
}
