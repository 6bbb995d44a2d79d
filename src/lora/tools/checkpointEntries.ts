import { readWeight } from '../../files/readWeight.ts'
import type { WeightEntry, WeightFile } from '../../files/weights.ts'
import { stack } from '../../tensor/tensor.ts'
import { networkEntry, type SavePrecision } from '../networkFile.ts'

/**
 * The tensors of a checkpoint's file with merged weights in their places, by the file's own names, all that are no whole
 * numbers in one precision. `merged` goes by CompVis names; OpenCLIP's joint projections are put together again.
 */
export function* checkpointEntries(
  file: WeightFile,
  merged: ReadonlyMap<string, WeightEntry>,
  precision: SavePrecision,
): Generator<WeightEntry> {
  const bySource = new Map([...merged.values()].map((entry) => [entry.name, entry]))
  for (const [name, entry] of file.entries) {
    const joint = /^(.*\.attn\.)in_proj_weight$/.exec(name)
    const parts = joint ? ['q_proj', 'k_proj', 'v_proj'].map((part) => merged.get(`${joint[1]}${part}.weight`)) : []
    const isWhole = !['F64', 'F32', 'F16', 'BF16'].includes(entry.dtype)
    if (isWhole) yield entry
    else if (parts.some((part) => part !== undefined)) {
      const whole = readWeight(entry)
      const rows = whole.data.length / 3
      const tensors = parts.map((part, i) =>
        part ? readWeight(part).data : whole.data.subarray(i * rows, (i + 1) * rows),
      )
      const data = stack(tensors.map((part) => ({ shape: [part.length], data: part }))).data
      yield networkEntry(name, { shape: entry.shape, data }, precision)
    } else
      yield networkEntry(
        name,
        { shape: entry.shape, data: readWeight(merged.get(name) ?? bySource.get(name) ?? entry).data },
        precision,
      )
  }
}
