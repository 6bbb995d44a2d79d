import { createHash } from 'node:crypto'
import { createReadStream, realpathSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { StudioError } from '../errors.ts'
import { HashCache } from './hashCache.ts'
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

  /** SHA-256 of a whole file: how checkpoints, VAEs and embeddings are named. */
  file(path: string): Promise<string> {
    return this.#remembered('sha256', path, () => sha256(path))
  }

  /** The same where it is remembered already; reading a large file takes seconds. */
  known(path: string): string | undefined {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (!stats?.isFile()) return undefined
    return this.#cache.known(keyOf('sha256', path), { size: stats.size, modified: stats.mtimeMs })
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
    const stats = statSync(path, { throwIfNoEntry: false })
    if (!stats) throw new StudioError('missing-file', `${path} does not exist`, { field: basename(path) })
    const stamp = { size: stats.size, modified: stats.mtimeMs }
    return this.#cache.remembered(keyOf(kind, path), stamp, compute)
  }
}

function keyOf(kind: string, path: string): string {
  return `${kind}:${realpathSync(path)}`
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
