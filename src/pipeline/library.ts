import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StudioError } from '../errors.ts'
import { FileHashes } from '../files/hash.ts'
import { openWeights } from '../files/openWeights.ts'
import { Remembered } from '../files/remembered.ts'
import { openNetwork } from '../lora/network.ts'
import { nativeSizeIn } from '../models/configInMetadata.ts'
import { Catalog, type CatalogEntry } from './catalog.ts'
import { type CheckpointFile, findCheckpoint } from './findCheckpoint.ts'
import type { FileIdentity } from './recipe.ts'

const embeddedCheckpoint = fileURLToPath(new URL('../../assets/athanor-emoji.safetensors', import.meta.url))

const weightExtensions = ['.safetensors', '.ckpt', '.pt', '.pth', '.bin']

/** The model files of a data folder laid out as A1111's, by the names people use for them. */
export class Library {
  readonly dataDir: string
  readonly hashes: FileHashes

  readonly #embedded: string
  readonly #catalog = new Catalog()
  readonly #nativeSizes = new Remembered(nativeSizeOf)
  readonly #aliases = new Remembered(aliasOf)
  readonly #triggers = new Remembered((path) => [...openNetwork(openWeights(path)).embeddings.keys()])

  /** `embedded` is the checkpoint that travels with the package. */
  constructor(dataDir: string, embedded = embeddedCheckpoint) {
    this.dataDir = dataDir
    this.#embedded = embedded
    this.hashes = new FileHashes(join(dataDir, 'cache', 'hashes.json'))
  }

  /** The folder's checkpoints; where it has none, the one that travels with the package. */
  checkpoints(): readonly CheckpointFile[] {
    const own = this.#catalog.checkpoints(this.#models('Stable-diffusion'))
    return own.length > 0 ? own.map(this.#withHash) : this.#embeddedCheckpoint()
  }

  /** The checkpoint a person means. The one that travels with the package has its name beside others, too. */
  findCheckpoint(query: string): CheckpointFile | undefined {
    return findCheckpoint(this.checkpoints(), query) ?? findCheckpoint(this.#embeddedCheckpoint(), query)
  }

  /** The checkpoint of that name; of an empty one the first there is. */
  chosenCheckpoint(name: string): CheckpointFile | undefined {
    return name === '' ? this.checkpoints()[0] : this.findCheckpoint(name)
  }

  #embeddedCheckpoint(): readonly CheckpointFile[] {
    return existsSync(this.#embedded) ? [this.#withHash(entryOf(this.#embedded))] : []
  }

  readonly #withHash = (entry: CatalogEntry): CheckpointFile => ({ ...entry, sha256: this.hashes.known(entry.path) })

  /** Side in pixels of the pictures a checkpoint was trained on, where its metadata says so. */
  nativeSize(path: string): number | undefined {
    return path.endsWith('.safetensors') ? this.#nativeSizes.of(path) : undefined
  }

  /** What a recipe takes `chosenCheckpoint` as; an error where there is none. */
  checkpoint(name: string, field: string): { readonly entry: CatalogEntry; readonly identity: FileIdentity } {
    const found = this.chosenCheckpoint(name)
    if (found) return { entry: found, identity: { name: found.stem, path: found.path, hash: found.sha256 } }
    const files = this.checkpoints()
    const folder = this.#models('Stable-diffusion')
    if (files.length === 0) throw new StudioError('missing-file', `${folder} holds no checkpoint`, { field })
    throw unknown(field, 'checkpoint', name, files)
  }

  /**
   * The VAE that goes with a checkpoint: a setting of `Automatic` takes the one beside it, named alike, or the one its
   * card names; `None` the checkpoint's own.
   */
  vae(setting: string, checkpoint: CatalogEntry, isSettingFirst: boolean, field: string): string | undefined {
    if (setting === 'None') return undefined
    const isNamed = setting !== 'Automatic' && setting !== 'auto'
    if (!isNamed || !isSettingFirst) {
      const own = this.#cardVae(checkpoint) ?? vaeBeside(checkpoint)
      if (own !== undefined) return own
      if (!isNamed) return undefined
    }
    const files = this.vaes()
    const found = files.find(({ path, stem, relativePath }) =>
      [basename(path), stem, relativePath, path].includes(setting),
    )
    if (!found) throw unknown(field, 'VAE', setting, files)
    return found.path
  }

  vaes(): readonly CatalogEntry[] {
    return this.#catalog.files(this.#models('VAE'), weightExtensions)
  }

  networks(): readonly CatalogEntry[] {
    return ['Lora', 'LyCORIS'].flatMap((folder) => this.#catalog.files(this.#models(folder), weightExtensions))
  }

  /** The network that prompts call so: by file name, or by what its trainer called it where that is unambiguous. */
  network(name: string, field: string): string {
    const files = this.networks()
    const named = files.find(({ stem }) => stem === name)
    if (named) return named.path
    const aliased = reservedAliases.has(name.toLowerCase())
      ? []
      : files.filter(({ path }) => this.#aliases.of(path) === name)
    if (aliased.length > 1) {
      const paths = aliased.map(({ relativePath }) => relativePath).join(', ')
      throw new StudioError('unknown-name', `${field}: "${name}" may be ${paths}; use the file's name`, { field })
    }
    if (!aliased[0]) throw unknown(field, 'LoRA', name, files)
    return aliased[0].path
  }

  embeddings(): readonly CatalogEntry[] {
    const pictures = ['.png', '.webp', '.jxl', '.avif']
    return this.#catalog
      .files(join(this.dataDir, 'embeddings'), [...weightExtensions, ...pictures])
      .filter(({ path }) => !/\.preview\.\w+$/i.test(path))
  }

  /** The textual inversion of that file name. */
  embedding(name: string, field: string): CatalogEntry {
    const files = this.embeddings()
    const found = files.find(({ stem }) => stem === name)
    if (!found) throw unknown(field, 'embedding', name, files)
    return found
  }

  /** Triggers of the textual inversions that a network's file brings along. */
  bundledEmbeddings(path: string): readonly string[] {
    return this.#triggers.of(path)
  }

  /** Upscaler models by the names lists show. */
  upscalers(): readonly CatalogEntry[] {
    return ['ESRGAN', 'RealESRGAN'].flatMap((folder) => this.#catalog.files(this.#models(folder), weightExtensions))
  }

  upscaler(name: string, field: string): CatalogEntry {
    const files = this.upscalers()
    const found = files.find(({ stem }) => stem === name)
    if (!found) throw unknown(field, 'upscaler', name, [...files, ...builtInUpscalers.map((stem) => ({ stem }))])
    return found
  }

  /** The file of a method that stands in for the VAE's decoder or encoder, where there is one. */
  standIn(method: 'TAESD' | 'Approx NN', half: 'encoder' | 'decoder'): CatalogEntry | undefined {
    const { folder, names } = standInFiles[method]
    return this.#catalog.files(this.#models(folder), weightExtensions).find(({ stem }) => names(half).test(stem))
  }

  #models(folder: string): string {
    return join(this.dataDir, 'models', folder)
  }

  /** A file under a name, with the hash of the whole file. */
  async identity(name: string, path: string): Promise<FileIdentity> {
    return { name, path, hash: await this.hashes.file(path) }
  }

  /** A network under a name, with the hash that infotexts give networks. */
  async networkIdentity(name: string, path: string): Promise<FileIdentity> {
    return { name, path, hash: await this.hashes.network(openWeights(path)) }
  }

  /** The VAE that the user chose for this checkpoint on its card. */
  #cardVae({ path }: CatalogEntry): string | undefined {
    const { dir, name } = parse(path)
    try {
      const card: unknown = JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8'))
      const vae = typeof card === 'object' && card !== null && 'vae' in card ? card.vae : undefined
      return this.vaes().find((file) => basename(file.path) === vae)?.path
    } catch {
      return undefined
    }
  }
}

function entryOf(path: string): CatalogEntry {
  return { path, relativePath: basename(path), stem: parse(path).name }
}

/** Where files that stand in for a VAE lie, and what they are called. */
export const standInFiles = {
  TAESD: { folder: 'VAE-taesd', names: (half: string) => new RegExp(`^taesd(?:_${half})?$`, 'i') },
  'Approx NN': { folder: 'VAE-approx', names: () => /^model$/i },
} as const

/** Aliases that mean something else where they are used. */
const reservedAliases: ReadonlySet<string> = new Set(['none', 'addams'])

function nativeSizeOf(path: string): number | undefined {
  try {
    return nativeSizeIn(openWeights(path))
  } catch (error) {
    // What is wrong with a file is told when it is loaded, which it may never be.
    if (error instanceof StudioError) return undefined
    throw error
  }
}

function aliasOf(path: string): string | undefined {
  try {
    return openNetwork(openWeights(path)).alias
  } catch {
    return undefined
  }
}

/** Upscalers that need no file. */
export const builtInUpscalers = ['None', 'Lanczos', 'Nearest'] as const

function vaeBeside({ path, stem }: CatalogEntry): string | undefined {
  return ['.vae.pt', '.vae.ckpt', '.vae.safetensors']
    .map((suffix) => join(dirname(path), stem + suffix))
    .find((candidate) => existsSync(candidate))
}

/** The error of a name that is none, with those that are nearest at hand. */
export function unknown(
  field: string,
  kind: string,
  name: string,
  files: readonly { readonly stem: string }[],
): StudioError {
  const names = files.slice(0, 20).map(({ stem }) => stem)
  const choice = names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`
  return new StudioError('unknown-name', `${field}: no ${kind} is called "${name}"; ${choice}`, { field })
}
