import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { SavingPlan } from './crew.ts'
import { type Claim, publish, withdraw } from './publish.ts'

/** Where the files of jobs lie, and the pictures that are saved for good. */
export interface JobFiles {
  /** The folder of this machine into which a worker puts the files of a job. */
  folderOf(id: string): string
  /** Makes files that a worker has put there known to whoever may read; each is there whole or not at all. */
  share(id: string, names: readonly string[]): Promise<void>
  /** A file of a job; undefined where there is none. */
  read(id: string, name: string): Promise<Uint8Array | undefined>
  /** Saves a file for good and answers its path. Each path is claimed before anything can be there. */
  save(id: string, plan: SavingPlan, claim: (path: string) => void | Promise<void>): Promise<string>
  /** Removes what an attempt has saved that will be made again, and the job's files. */
  takeBack(id: string, claims: readonly Claim[]): Promise<void>
  /** Removes a job's files. What was saved for good stays. */
  discard(id: string): Promise<void>
  /** Nothing of a job is needed on this machine any more. */
  release(id: string): Promise<void>
  /** Makes sure that a saved picture lies at its path on this machine. */
  fetchSaved(path: string): Promise<void>
  /** The same for all there are. */
  fetchAllSaved(signal: AbortSignal): Promise<void>
  /** A saved picture was deleted on this machine. */
  deleted(path: string): Promise<void>
}

/** Files of a folder: of this machine, or one that several share. */
export class FolderFiles implements JobFiles {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  folderOf(id: string): string {
    return join(this.#root, id)
  }

  async share(): Promise<void> {}

  async read(id: string, name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.folderOf(id), name))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw cause
    }
  }

  save(id: string, plan: SavingPlan, claim: (path: string) => void | Promise<void>): Promise<string> {
    return publish(plan, this.folderOf(id), claim)
  }

  async takeBack(id: string, claims: readonly Claim[]): Promise<void> {
    await withdraw(claims, this.folderOf(id))
    await this.discard(id)
  }

  async discard(id: string): Promise<void> {
    // A machine that was given up may still be writing.
    await rm(this.folderOf(id), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }

  async release(): Promise<void> {}

  async fetchSaved(): Promise<void> {}

  async fetchAllSaved(): Promise<void> {}

  async deleted(): Promise<void> {}
}
