import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs'
import { join, parse, relative, sep } from 'node:path'
import { stampOf } from '../files/remembered.ts'

/** A model file of the data folder, or a diffusers folder. */
export interface CatalogEntry {
  readonly path: string
  /** Path below the catalogue's folder, with `/` between folders: what titles show. */
  readonly relativePath: string
  /** The file's name without extension. */
  readonly stem: string
}

/** What a folder held, and the stamps of all that would tell of a change. */
interface Listing {
  readonly entries: readonly CatalogEntry[]
  readonly stamps: ReadonlyMap<string, string>
}

/**
 * The files of folders as they are now, read anew only where something has changed. A folder's own time tells of every
 * file that came, went or was renamed in it. It does not tell of links, which change where they lead to, nor of empty
 * files, which somebody may be about to fill: these are looked at one by one.
 */
export class Catalog {
  readonly #listings = new Map<string, Listing>()

  /** `listFiles` of a folder. */
  files(folder: string, extensions: readonly string[]): readonly CatalogEntry[] {
    return this.#entries(`${extensions.join()} ${folder}`, (witness) => listFiles(folder, extensions, witness))
  }

  /** `listCheckpoints` of a folder. */
  checkpoints(folder: string): readonly CatalogEntry[] {
    return this.#entries(folder, (witness) => listCheckpoints(folder, witness))
  }

  #entries(key: string, list: (witness: Witness) => readonly CatalogEntry[]): readonly CatalogEntry[] {
    const known = this.#listings.get(key)
    if (known && [...known.stamps].every(([path, stamp]) => stampOf(path) === stamp)) return known.entries
    this.#listings.delete(key)
    const stamps = new Map<string, string>()
    const earliest = Date.now() - settledMs
    let isSettled = true
    const entries = list((path) => {
      stamps.set(path, stampOf(path))
      isSettled &&= (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < earliest
    })
    if (isSettled) this.#listings.set(key, { entries, stamps })
    return entries
  }
}

/**
 * How long a folder must have been left alone for its listing to be kept: some disks count in steps of two seconds, and a
 * change in the step in which it was read would leave no trace.
 */
const settledMs = 3000

/** Is told of everything on which a listing depends, before it is read. */
type Witness = (path: string) => void

const nobody: Witness = () => undefined

/**
 * Files with one of these extensions below a folder, in the order A1111 lists them: by path, ignoring case, numbers
 * by value. A missing folder is an empty one.
 */
export function listFiles(folder: string, extensions: readonly string[], witness = nobody): CatalogEntry[] {
  const found: string[] = []
  const visit = (path: string, entry: Dirent) => {
    if (extensions.includes(parse(entry.name).ext.toLowerCase()) && isFile(path, entry, witness)) found.push(path)
  }
  walk(folder, visit, witness)
  return sorted(folder, found)
}

/** Checkpoints: `.safetensors` and `.ckpt` files that are no VAE, and diffusers folders. */
export function listCheckpoints(folder: string, witness = nobody): CatalogEntry[] {
  const found: string[] = []
  const visit = (path: string, entry: Dirent) => {
    const { name, ext } = parse(entry.name)
    if (entry.name === 'model_index.json') found.push(parse(path).dir)
    else if (/^\.(safetensors|ckpt)$/i.test(ext) && !/\.vae$/i.test(name) && isFile(path, entry, witness)) {
      found.push(path)
    }
  }
  walk(folder, visit, witness)
  const diffusers = found.filter((path) => !/\.(safetensors|ckpt)$/i.test(path))
  return sorted(
    folder,
    found.filter((path) => !diffusers.some((root) => path.startsWith(root + sep))),
  )
}

function walk(
  folder: string,
  visit: (path: string, entry: Dirent) => void,
  witness: Witness,
  above: readonly string[] = [],
): void {
  let entries: Dirent[]
  let real: string
  witness(folder)
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
    if (entry.isSymbolicLink()) witness(path)
    if (isFolder(path, entry)) walk(path, visit, witness, [...above, real])
    else visit(path, entry)
  }
}

/** Links count as what they point to: model folders are often elsewhere. */
function isFolder(path: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** An empty file is a download that never began. */
function isFile(path: string, entry: Dirent, witness: Witness): boolean {
  if (!entry.isFile() && !entry.isSymbolicLink()) return false
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.size === 0) witness(path)
  return stats?.isFile() === true && stats.size > 0
}

// Making one takes a millisecond.
const order = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

function sorted(folder: string, paths: readonly string[]): CatalogEntry[] {
  return paths
    .map((path) => ({ path, relativePath: relative(folder, path).split(sep).join('/'), stem: parse(path).name }))
    .sort((a, b) => order.compare(a.relativePath, b.relativePath))
}
