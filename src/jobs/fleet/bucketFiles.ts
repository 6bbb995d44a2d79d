import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { StudioError } from '../../errors.ts'
import { numberAfter, placeNumbered, saveWhole } from '../../image/save.ts'
import type { SavingPlan } from '../crew.ts'
import type { JobFiles } from '../jobFiles.ts'
import type { Claim } from '../publish.ts'
import { Bucket, type BucketSettings } from './bucket.ts'

/**
 * Files of jobs and saved pictures in a bucket. Workers stage on their own machine, and what is finished is put up;
 * servers bring saved pictures to the place in their data folder that they are saved under, where the gallery looks.
 */
export class BucketFiles implements JobFiles {
  readonly #bucket: Bucket
  readonly #dataDir: string
  readonly #staging: string
  /** One more than the highest number known of a directory and basename. */
  readonly #numbers = new Map<string, number>()

  private constructor(bucket: Bucket, dataDir: string, staging: string) {
    this.#bucket = bucket
    this.#dataDir = resolve(dataDir)
    this.#staging = staging
  }

  static async open(settings: BucketSettings, dataDir: string): Promise<BucketFiles> {
    const bucket = new Bucket(settings)
    await bucket.check()
    return new BucketFiles(bucket, dataDir, await mkdtemp(join(tmpdir(), 'athanor-staging-')))
  }

  folderOf(id: string): string {
    return join(this.#staging, id)
  }

  async share(id: string, names: readonly string[]): Promise<void> {
    for (const name of names) await this.#bucket.put(jobKey(id, name), await this.#staged(id, name))
  }

  read(id: string, name: string): Promise<Uint8Array | undefined> {
    return this.#bucket.get(jobKey(id, name))
  }

  async save(id: string, plan: SavingPlan, claim: (path: string) => void | Promise<void>): Promise<string> {
    const { directory, basename: counted, name, extension, isNumbered, companions } = plan
    const bytes = await this.#staged(id, plan.file)
    const place = async (path: string) => {
      await claim(path)
      return this.#bucket.putNew(this.#keyOf(path), bytes, id)
    }
    let path = join(directory, `${name}.${extension}`)
    if (isNumbered) {
      const first = await this.#nextNumber(directory, counted)
      path = await placeNumbered({ directory, basename: counted, decoration: name, extension }, place, first)
    } else if (!(await place(path))) await this.#bucket.put(this.#keyOf(path), bytes, id)
    for (const { extension: own, file } of companions) {
      const beside = `${path.slice(0, -extension.length)}${own}`
      await this.#bucket.put(this.#keyOf(beside), await this.#staged(id, file), id)
    }
    return path
  }

  async takeBack(id: string, claims: readonly Claim[]): Promise<void> {
    for (const { path } of claims) {
      const key = this.#keyOf(path)
      // A name that was tried may be another job's.
      if ((await this.#bucket.markOf(key)) === id) await this.#bucket.delete(key)
    }
    await this.discard(id)
  }

  async discard(id: string): Promise<void> {
    for await (const key of this.#bucket.list(jobKey(id, ''))) await this.#bucket.delete(key)
    await this.release(id)
  }

  async release(id: string): Promise<void> {
    await rm(this.folderOf(id), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }

  async fetchSaved(path: string): Promise<void> {
    if (existsSync(path)) return
    const bytes = await this.#bucket.get(this.#keyOf(path))
    if (bytes) await saveWhole(path, bytes)
  }

  async fetchAllSaved(signal: AbortSignal): Promise<void> {
    for await (const key of this.#bucket.list(savedPrefix)) {
      if (signal.aborted) return
      const path = resolve(this.#dataDir, key.slice(savedPrefix.length))
      // Whoever may write to the bucket may not write anywhere else.
      if (path.startsWith(this.#dataDir + sep)) await this.fetchSaved(path)
    }
  }

  async deleted(path: string): Promise<void> {
    await this.#bucket.delete(this.#keyOf(path))
  }

  #staged(id: string, name: string): Promise<Uint8Array> {
    return readFile(join(this.folderOf(id), name))
  }

  async #nextNumber(directory: string, counted: string): Promise<number> {
    const series = `${directory}\0${counted}`
    const known = this.#numbers.get(series) ?? 0
    const start = `${this.#keyOf(directory)}/`
    // Numbers of five digits, with zeros before them, are in the order of names: what is known need not be read again.
    const isOrdered = counted === '' && known > 0 && known < 99_999
    const after = isOrdered ? start + String(known - 1).padStart(5, '0') : undefined
    const names: string[] = []
    for await (const key of this.#bucket.list(start, after)) names.push(key.slice(start.length))
    const next = Math.max(known, numberAfter(names, counted))
    this.#numbers.set(series, next)
    return next
  }

  #keyOf(path: string): string {
    const inside = relative(this.#dataDir, path).split(sep).join('/')
    if (inside.startsWith('../') || resolve(this.#dataDir, inside) !== resolve(path)) {
      throw new StudioError('unsupported', `${path}: with --images, pictures are saved within the data folder`)
    }
    return savedPrefix + inside
  }
}

const savedPrefix = 'saved/'

function jobKey(id: string, name: string): string {
  return `jobs/${id}/${name}`
}
