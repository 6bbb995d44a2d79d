import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { StudioError } from '../errors.ts'
import { openDiffusersFolder } from './diffusersFolder.ts'
import { openWeightFile } from './openWeightFile.ts'
import type { WeightFile } from './weights.ts'

/**
 * Opens any file of weights, or diffusers folder, by what it holds and never by what it is called. Reads headers
 * only: the tensors stay in the file until `readWeight` or the runtime asks for them.
 */
export function openWeights(path: string): WeightFile {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new StudioError('missing-file', `${path} does not exist`, { field: basename(path) })
  return stats.isDirectory() ? openDiffusersFolder(path) : openWeightFile(path)
}
