import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { StudioError } from '../errors.ts'
import { type FileStamp, HashCache } from './hashCache.ts'
import { readSlice, withFile } from './readWeight.ts'
import type { WeightFile } from './weights.ts'

/** SHA-256 of a file from byte `from` on, as 64 hex digits; read as a stream. */
export async function sha256(path: string, from = 0): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path, { start: from, highWaterMark: 2 ** 20 })) hash.update(chunk)
  } catch (cause) {
    throw new StudioError('missing-file', `${path} cannot be read`, { cause, field: basename(path) })
  }
  return hash.digest('hex')
}

/**
 * The hashes by which pictures name the files they were made with, remembered in `cachePath` as long as a file keeps
 * its size and its time of change. All answers are whole; infotexts show the first `shortHashLength` digits.
 */
export class FileHashes {
  readonly #cache: HashCache

  constructor(cachePath: string) {
    this.#cache = new HashCache(cachePath)
  }

  /** SHA-256 of a whole file: how checkpoints, VAEs and embeddings are named. Of a diffusers folder, of its files'. */
  file(path: string): Promise<string> {
    return this.#remembered('sha256', path, () => (isFolder(path) ? folderSha256(path) : sha256(path)))
  }

  /** The same where it is remembered already; reading a large file takes seconds. */
  known(path: string): string | undefined {
    const stamp = stampOf(path)
    return stamp && this.#cache.known(keyOf('sha256', path), stamp)
  }

  /**
   * A LoRA's hash, which must survive a change of its metadata: what the trainer wrote into `sshs_model_hash`,
   * otherwise SHA-256 of what follows the header; of a file that is not safetensors, of all of it.
   */
  async network(file: WeightFile): Promise<string> {
    const written = file.metadata.get('sshs_model_hash')
    if (written !== undefined && /^[0-9a-f]{12,64}$/i.test(written)) return written
    if (file.format !== 'safetensors') return this.file(file.path)
    return this.#remembered('content', file.path, () => sha256(file.path, 8 + headerBytes(file.path)))
  }

  #remembered(kind: string, path: string, compute: () => Promise<string>): Promise<string> {
    const stamp = stampOf(path)
    if (!stamp) throw new StudioError('missing-file', `${path} does not exist`, { field: basename(path) })
    return this.#cache.remembered(keyOf(kind, path), stamp, compute)
  }
}

function keyOf(kind: string, path: string): string {
  return `${kind}:${realpathSync.native(path)}`
}

/** The size and time of change of a file; of a folder, the sum and the latest of its files'. */
function stampOf(path: string): FileStamp | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) return undefined
  if (!stats.isDirectory()) return { size: stats.size, modified: stats.mtimeMs }
  const files = modelFiles(path).map((file) => statSync(join(path, file)))
  return {
    size: files.reduce((sum, { size }) => sum + size, 0),
    modified: files.reduce((latest, { mtimeMs }) => Math.max(latest, mtimeMs), 0),
  }
}

/** SHA-256 of the list of a diffusers folder's files and their hashes, each as `<hash>  <path>` and a line end. */
async function folderSha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for (const file of modelFiles(path)) hash.update(`${await sha256(join(path, file))}  ${file}\n`)
  return hash.digest('hex')
}

/** The weights and configurations in a folder and the folders in it. */
function modelFiles(path: string): string[] {
  const below = readdirSync(path).flatMap((name) =>
    isFolder(join(path, name)) ? readdirSync(join(path, name)).map((inner) => `${name}/${inner}`) : [name],
  )
  return below.filter((name) => /\.(?:safetensors|bin|json)$/.test(name) && !isFolder(join(path, name))).sort()
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** Digits of a hash that an infotext shows, by what it names. */
export const shortHashLength = { checkpoint: 10, vae: 10, lora: 12, embedding: 12 } as const

/** The 8-digit hash of the first web UIs: SHA-256 of 64 KiB from the first megabyte on, less where the file ends. */
export function oldModelHash(path: string): string {
  const start = 0x100000
  const size = Math.min(0x10000, Math.max(0, statSync(path).size - start))
  const bytes = withFile(path, (descriptor) => readSlice(descriptor, path, start, size))
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8)
}

function headerBytes(path: string): number {
  const length = withFile(path, (descriptor) => readSlice(descriptor, path, 0, 8))
  return Number(new DataView(length.buffer).getBigUint64(0, true))
}
