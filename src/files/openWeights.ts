import { fstatSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { StudioError } from '../errors.ts'
import { readSlice, withFile } from './readWeight.ts'
import { parseSafetensors } from './safetensors.ts'
import type { WeightFile } from './weights.ts'

/**
 * Opens any file of weights by what it holds, never by what it is called. Reads headers only: the tensors
 * stay in the file until `readWeight` or the runtime asks for them.
 */
export function openWeights(path: string): WeightFile {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new StudioError('missing-file', `${path} does not exist`, { field: basename(path) })
  const head = withFile(path, (descriptor) =>
    readSlice(descriptor, path, 0, Math.min(4096, fstatSync(descriptor).size)),
  )
  if (looksLikeSafetensors(head)) return parseSafetensors(path)
  throw new StudioError('bad-file', `${basename(path)}: not a file of weights`, { field: basename(path) })
}

/** A header length that is possible, then JSON, perhaps after white space. */
function looksLikeSafetensors(head: Uint8Array): boolean {
  if (head.length < 9) return false
  const length = new DataView(head.buffer).getBigUint64(0, true)
  return length < 2 ** 32 && /^\s*\{/.test(new TextDecoder('latin1').decode(head.subarray(8)))
}
