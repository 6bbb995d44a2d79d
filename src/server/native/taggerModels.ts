import { readdirSync } from 'node:fs'
import { extname, join } from 'node:path'
import { StudioError } from '../../errors.ts'

/** Folders below `models/` where taggers and captioners lie, each in a folder of its own or as a single file. */
const folders = ['taggers', 'deepdanbooru', 'torch_deepdanbooru', 'BLIP'] as const
const modelFile: ReadonlySet<string> = new Set(['.onnx', '.pth', '.safetensors'])

/** Paths of the models of a data folder that write captions, by the names of their files or folders. */
export function taggerModels(dataDir: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const entriesOf = (path: string) => {
    try {
      return readdirSync(path, { withFileTypes: true })
    } catch {
      return []
    }
  }
  for (const folder of folders) {
    const root = join(dataDir, 'models', folder)
    const add = (name: string, path: string) => {
      if (!found.has(name)) found.set(name, path)
    }
    for (const entry of entriesOf(root)) {
      const path = join(root, entry.name)
      const isModel = (name: string) => modelFile.has(extname(name).toLowerCase())
      if (entry.isDirectory()) {
        if (entriesOf(path).some(({ name }) => isModel(name))) add(entry.name, path)
      } else if (entry.name === 'model.onnx') add(folder, root)
      else if (isModel(entry.name)) add(entry.name, path)
    }
  }
  return found
}

/** The path of one of them. */
export function taggerModel(dataDir: string, name: string): string {
  const models = taggerModels(dataDir)
  const path = models.get(name)
  if (path !== undefined) return path
  const known = models.size === 0 ? `none lie in models/${folders.join(', models/')}` : [...models.keys()].join(', ')
  throw new StudioError('unknown-name', `model: there is no tagger called "${name}"; ${known}`, { field: 'model' })
}
