import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs'
import { join, parse, relative, sep } from 'node:path'

/** A model file of the data folder, or a diffusers folder. */
export interface CatalogEntry {
  readonly path: string
  /** Path below the catalogue's folder, with `/` between folders: what titles show. */
  readonly relativePath: string
  /** The file's name without extension. */
  readonly stem: string
}

/**
 * Files with one of these extensions below a folder, in the order A1111 lists them: by path, ignoring case, numbers
 * by value. A missing folder is an empty one.
 */
export function listFiles(folder: string, extensions: readonly string[]): CatalogEntry[] {
  const found: string[] = []
  walk(folder, (path, entry) => {
    if (extensions.includes(parse(entry.name).ext.toLowerCase()) && isFile(path, entry)) found.push(path)
  })
  return sorted(folder, found)
}

/** Checkpoints: `.safetensors` and `.ckpt` files that are no VAE, and diffusers folders. */
export function listCheckpoints(folder: string): CatalogEntry[] {
  const found: string[] = []
  walk(folder, (path, entry) => {
    const { name, ext } = parse(entry.name)
    if (entry.name === 'model_index.json') found.push(parse(path).dir)
    else if (/^\.(safetensors|ckpt)$/i.test(ext) && !/\.vae$/i.test(name) && isFile(path, entry)) found.push(path)
  })
  const diffusers = found.filter((path) => !/\.(safetensors|ckpt)$/i.test(path))
  return sorted(
    folder,
    found.filter((path) => !diffusers.some((root) => path.startsWith(root + sep))),
  )
}

function walk(folder: string, visit: (path: string, entry: Dirent) => void, above: readonly string[] = []): void {
  let entries: Dirent[]
  let real: string
  try {
    entries = readdirSync(folder, { withFileTypes: true })
    real = realpathSync(folder)
  } catch {
    return
  }
  // A link to a folder around it would lead there for ever.
  if (above.includes(real)) return
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (isFolder(path, entry)) walk(path, visit, [...above, real])
    else visit(path, entry)
  }
}

/** Links count as what they point to: model folders are often elsewhere. */
function isFolder(path: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** An empty file is a download that never began. */
function isFile(path: string, entry: Dirent): boolean {
  if (!entry.isFile() && !entry.isSymbolicLink()) return false
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats?.isFile() === true && stats.size > 0
}

// Making one takes a millisecond, and lists are read for every request.
const order = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

function sorted(folder: string, paths: readonly string[]): CatalogEntry[] {
  return paths
    .map((path) => ({ path, relativePath: relative(folder, path).split(sep).join('/'), stem: parse(path).name }))
    .sort((a, b) => order.compare(a.relativePath, b.relativePath))
}
