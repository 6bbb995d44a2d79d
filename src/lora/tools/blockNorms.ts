import { changeOf } from './combineNetworks.ts'
import type { LowRankModule } from './lowRank.ts'

/** How much a network changes one block of a model. */
export interface BlockNorm {
  readonly block: string
  readonly count: number
  /** Length of all its changes together. */
  readonly norm: number
  /** The largest number of any change. */
  readonly largest: number
}

/** Changes by block: the text encoder, then the UNet's blocks by the parts of their names. */
export function blockNorms(modules: readonly LowRankModule[]): readonly BlockNorm[] {
  const blocks = new Map<string, { count: number; squares: number; largest: number }>()
  for (const module of modules) {
    const block = blockOf(module.name)
    const sum = blocks.get(block) ?? { count: 0, squares: 0, largest: 0 }
    sum.count++
    for (const x of changeOf(module).data) {
      sum.squares += x * x
      sum.largest = Math.max(sum.largest, Math.abs(x))
    }
    blocks.set(block, sum)
  }
  return [...blocks].map(([block, { count, squares, largest }]) => ({
    block,
    count,
    norm: Math.sqrt(squares),
    largest,
  }))
}

function blockOf(name: string): string {
  const match = /^lora_unet_((?:down|up)_blocks_\d+|mid_block|input_blocks_\d+|output_blocks_\d+|middle_block)/.exec(
    name,
  )
  return match ? match[1]! : name.startsWith('lora_te') ? 'text encoder' : 'other'
}
