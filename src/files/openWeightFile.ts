import { fstatSync } from 'node:fs'
import { badFile } from './badFile.ts'
import { readSlice, withFile } from './readWeight.ts'
import { parseSafetensors } from './safetensors.ts'
import { withWholeTables } from './sparseRows.ts'
import { parseTorchLegacy, parseTorchZip } from './torchFile.ts'
import type { WeightFile } from './weights.ts'

/** Opens a single file of weights by what it begins with. */
export function openWeightFile(path: string): WeightFile {
  const head = withFile(path, (descriptor) => readSlice(descriptor, path, 0, Math.min(512, fstatSync(descriptor).size)))
  const text = Buffer.from(head.buffer).toString('latin1')
  if (looksLikeSafetensors(head, text)) return withWholeTables(parseSafetensors(path))
  if (text.startsWith('PK\x03\x04')) return parseTorchZip(path)
  if (text.startsWith('\x80')) return parseTorchLegacy(path)
  const found = strangers.find(([pattern]) => pattern.test(text))?.[1] ?? 'neither safetensors nor a PyTorch file'
  throw badFile(path, `${found}; expected weights`)
}

/** What people have in place of weights when something went wrong, by how it begins. */
const strangers: readonly (readonly [RegExp, string])[] = [
  [/^$/, 'an empty file'],
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer, whose file was never fetched'],
  [/^\s*<(?:!doctype|html|\?xml)/i, 'a web page, saved instead of the file'],
  [/^GGUF/, 'a GGUF file, which cannot be read'],
  [/^\x89PNG|^\xff\xd8\xff|^RIFF/, 'a picture'],
  [/^\x89HDF/, 'an HDF5 file, which cannot be read'],
  [/^(?:Rar!|7z\xbc\xaf)/, 'a packed archive'],
]

/** A header length that is possible, then JSON, perhaps after white space. Too large a length is left to the parser. */
function looksLikeSafetensors(head: Uint8Array, text: string): boolean {
  if (head.length < 9) return false
  return new DataView(head.buffer).getUint32(4, true) === 0 && /^\s*\{/.test(text.slice(8))
}
