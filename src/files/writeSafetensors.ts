import { bytesPer } from '../tensor/dtype.ts'
import { sizeOf } from '../tensor/shape.ts'
import { readBytes } from './readWeight.ts'
import { replaceFile } from './replaceFile.ts'
import type { WeightEntry } from './weights.ts'

/**
 * Writes tensors as a safetensors file, whole or not at all. Wide element types come first, then names in order,
 * and the header is padded with spaces to 8 bytes, so every tensor is aligned and equal input gives equal files.
 * Entries may still lie in other files; they are read one at a time.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<WeightEntry>,
  metadata: ReadonlyMap<string, string> = new Map(),
): void {
  replaceFile(path, safetensorsParts(tensors, metadata))
}

/** The same file as its parts one after another: the header, then each tensor's bytes. */
export function safetensorsParts(
  tensors: Iterable<WeightEntry>,
  metadata: ReadonlyMap<string, string>,
): Iterable<Uint8Array> {
  const sorted = [...tensors].sort((a, b) => bytesPer(b.dtype) - bytesPer(a.dtype) || (a.name < b.name ? -1 : 1))
  return fileParts(sorted, headerOf(sorted, metadata))
}

function headerOf(tensors: readonly WeightEntry[], metadata: ReadonlyMap<string, string>): Uint8Array {
  // Text, not an object: JavaScript would move keys that look like integers to the front and swallow `__proto__`.
  const members: string[] = []
  if (metadata.size > 0) {
    const pairs = [...metadata].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    members.push(`"__metadata__":{${pairs.join(',')}}`)
  }
  const names = new Set(['__metadata__'])
  let at = 0
  for (const { name, dtype, shape, sizeBytes } of tensors) {
    if (names.has(name)) throw new Error(`internal: the tensor name ${name} cannot be written twice`)
    if (sizeBytes !== sizeOf(shape) * bytesPer(dtype)) {
      throw new Error(`internal: ${name} of shape [${shape}] and type ${dtype} in ${sizeBytes} bytes`)
    }
    names.add(name)
    const info = { dtype, shape, data_offsets: [at, at + sizeBytes] }
    members.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`)
    at += sizeBytes
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`)
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20)
  header.set(json, 8)
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true)
  return header
}

function* fileParts(tensors: readonly WeightEntry[], header: Uint8Array): Iterable<Uint8Array> {
  yield header
  for (const entry of tensors) {
    const bytes = readBytes(entry)
    if (bytes.length !== entry.sizeBytes) throw new Error(`internal: ${entry.name} has ${bytes.length} bytes`)
    yield bytes
  }
}
