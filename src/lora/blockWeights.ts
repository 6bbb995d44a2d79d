import { StudioError } from '../errors.ts'

/** Factors by block: `BASE` (text encoder), `IN00` … `IN11`, `M00`, `OUT00` … `OUT11`. A block not named has 0. */
export type BlockWeights = ReadonlyMap<string, number>

/** Which blocks a list of numbers speaks of, by how many it has. */
const layouts: readonly (readonly string[])[] = [
  // Blocks with transformers: what a plain LoRA of SD 1 and SD 2 touches.
  blocks([1, 2, 4, 5, 7, 8], [3, 4, 5, 6, 7, 8, 9, 10, 11]),
  // Every block, for networks that adapt convolutions too.
  blocks([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
  // The two layouts of SDXL, which has three levels.
  blocks([4, 5, 7, 8], [0, 1, 2, 3, 4, 5]),
  blocks([0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 4, 5, 6, 7, 8]),
]

/** The community's named lists, in the layout of 17. */
const presets: Readonly<Record<string, string>> = {
  NONE: '0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0',
  ALL: '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1',
  INS: '1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0',
  IND: '1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0',
  INALL: '1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0',
  MIDD: '1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0',
  OUTD: '1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0',
  OUTS: '1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1',
  OUTALL: '1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1',
  'ALL0.5': '0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5',
}

/**
 * Reads `lbw=` of a network tag as the LoRA Block Weight extension does: a named list, or 12, 17, 20 or 26 numbers
 * separated by commas.
 */
export function parseBlockWeights(text: string): BlockWeights {
  const name = text.trim()
  const list = Object.hasOwn(presets, name) ? presets[name]! : name
  const items = list.split(',').map((item) => item.trim())
  const layout = layouts.find(({ length }) => length === items.length)
  const known = () => `${Object.keys(presets).join(', ')}, or 12, 17, 20 or 26 numbers with commas between`
  if (!layout) {
    throw new StudioError('bad-request', `lbw: ${clipped(name)} is neither a known list nor one; expected ${known()}`, {
      field: 'lbw',
    })
  }
  return new Map(
    layout.map((block, index) => {
      const item = items[index]!
      const weight = Number(item)
      if (item === '' || !Number.isFinite(weight)) {
        throw new StudioError('bad-request', `lbw: ${block} is ${clipped(item)}, expected a number`, { field: 'lbw' })
      }
      return [block, weight]
    }),
  )
}

/**
 * The block a layer of a checkpoint belongs to. What stands before the first block counts as `IN00` or, for the
 * time embedding, as `BASE`; what follows the last counts with the last.
 */
export function blockOf(path: string): string {
  const block = /^model\.diffusion_model\.(input_blocks|output_blocks|middle_block|out)\.(\d+)/.exec(path)
  switch (block?.[1]) {
    case 'input_blocks':
      return `IN${block[2]!.padStart(2, '0')}`
    case 'output_blocks':
      return `OUT${block[2]!.padStart(2, '0')}`
    case 'middle_block':
      return 'M00'
    case 'out':
      return 'OUT11'
    default:
      return 'BASE'
  }
}

function blocks(ins: readonly number[], outs: readonly number[]): readonly string[] {
  const named = (prefix: string, numbers: readonly number[]) =>
    numbers.map((number) => `${prefix}${String(number).padStart(2, '0')}`)
  return ['BASE', ...named('IN', ins), 'M00', ...named('OUT', outs)]
}

function clipped(text: string): string {
  return text.length > 80 ? `"${text.slice(0, 80)}…"` : `"${text}"`
}
