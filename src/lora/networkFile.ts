import { createHash } from 'node:crypto'
import type { WeightEntry } from '../files/weights.ts'
import { safetensorsParts, writeSafetensors } from '../files/writeSafetensors.ts'
import { toBF16, toF16 } from '../tensor/half.ts'
import type { Tensor } from '../tensor/tensor.ts'

export type SavePrecision = 'float' | 'fp16' | 'bf16'

/** Numbers of a network file in the precision it is saved in. */
export function networkEntry(name: string, { shape, data }: Tensor, precision: SavePrecision): WeightEntry {
  const stored = precision === 'fp16' ? toF16(data) : precision === 'bf16' ? toBF16(data) : data
  const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength)
  const dtype = ({ float: 'F32', fp16: 'F16', bf16: 'BF16' } as const)[precision]
  return { name, dtype, shape, sizeBytes: bytes.length, location: { bytes } }
}

/** A single number, as alpha is kept. */
export function scalar(number: number): Tensor {
  return { shape: [], data: Float32Array.of(number) }
}

/**
 * Writes a network with its metadata and the two hashes that other programs know it by: of all bytes behind the header,
 * and of 64 KiB from the first megabyte of a file whose header has nothing but `ss_` keys.
 */
export function writeNetwork(
  path: string,
  entries: readonly WeightEntry[],
  metadata: ReadonlyMap<string, string>,
): void {
  const training = new Map([...metadata].filter(([key]) => key.startsWith('ss_')))
  const hashes = networkHashes(entries, training)
  writeSafetensors(path, entries, new Map([...metadata, ...Object.entries(hashes)]))
}

const [legacyStart, legacySize] = [0x100000, 0x10000]

export function networkHashes(entries: readonly WeightEntry[], metadata: ReadonlyMap<string, string>) {
  const [whole, legacy] = [createHash('sha256'), createHash('sha256')]
  let at = 0
  for (const part of safetensorsParts(entries, metadata)) {
    if (at > 0) whole.update(part)
    const [from, to] = [Math.max(0, legacyStart - at), Math.min(part.length, legacyStart + legacySize - at)]
    if (from < to) legacy.update(part.subarray(from, to))
    at += part.length
  }
  return { sshs_model_hash: whole.digest('hex'), sshs_legacy_hash: legacy.digest('hex').slice(0, 8) }
}
