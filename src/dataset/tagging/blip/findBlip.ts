import { readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { StudioError } from '../../../errors.ts'

const weightFile = /\.(?:pth|pt|bin|ckpt|safetensors)$/i

/** Names of which one is taken where there are others beside it, the first first. */
const usual = ['model.safetensors', 'model_base_caption_capfilt_large.pth']

/** The file of a BLIP: the path itself where it is one of weights, or that of a folder without an .onnx file. */
export function findBlip(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats?.isDirectory()) return stats && weightFile.test(path) ? path : undefined
  const names = readdirSync(path)
  if (names.some((name) => name.endsWith('.onnx'))) return undefined
  const files = names.filter((name) => weightFile.test(name)).sort()
  const file = files.length > 1 ? usual.find((name) => files.includes(name)) : files[0]
  if (file !== undefined) return join(path, file)
  if (files.length === 0) return undefined
  const problem = `expected one model file, or one of them as ${usual.join(' or ')}; found ${files.join(', ')}`
  throw new StudioError('conflict', `${basename(path)}: ${problem}`, { field: basename(path) })
}
