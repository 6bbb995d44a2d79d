import { StudioError } from '../errors.ts'
import { titleOf, type WeightEntry, type WeightFile } from '../files/weights.ts'
import type { DType } from '../tensor/dtype.ts'
import { sameButTrailingOnes } from '../tensor/shape.ts'
import type { Layout } from './layout.ts'

/** How many of many faults a message spells out. */
const shown = 8

const floats: ReadonlySet<DType> = new Set(['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'])

/** Throws where tensors are missing, of another shape (but for trailing dimensions of 1) or not of floats. */
export function checkWeights(file: WeightFile, weights: ReadonlyMap<string, WeightEntry>, layout: Layout): void {
  const missing = [...layout.keys()].filter((name) => !weights.has(name))
  if (missing.length > 0) {
    const foreign = new Map(file.foreign.map(({ name, dtype }) => [name, dtype]))
    const named = missing.map((name) =>
      foreign.has(name) ? `${name} (of the unknown type ${foreign.get(name)})` : name,
    )
    throw new StudioError(
      'wrong-architecture',
      `${titleOf(file)}: ${missing.length} of ${layout.size} tensors are missing: ${listed(named)}`,
      { field: missing[0]! },
    )
  }

  const faults: string[] = []
  for (const [name, shape] of layout) {
    const found = weights.get(name)!
    if (!sameButTrailingOnes(found.shape, shape)) faults.push(`${name} is [${found.shape}], expected [${shape}]`)
    else if (!floats.has(found.dtype)) faults.push(`${name} is of type ${found.dtype}, expected floats`)
  }
  if (faults.length > 0) throw new StudioError('wrong-architecture', `${titleOf(file)}: ${listed(faults)}`)
}

function listed(items: readonly string[]): string {
  const more = items.length - shown
  return items.slice(0, shown).join('; ') + (more > 0 ? `; and ${more} more` : '')
}
