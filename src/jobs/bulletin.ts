import { type EndedJob, isEnded, type JobEvent } from './job.ts'

/** Tells what happens to jobs: to all who listen, and the end of a job to those who wait for it. */
export class Bulletin {
  readonly #listeners = new Set<(event: JobEvent) => void>()
  readonly #waiters = new Map<string, Set<(job: EndedJob) => void>>()

  subscribe(listener: (event: JobEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(event: JobEvent): void {
    for (const listener of this.#listeners) listener(event)
    if ('job' in event && isEnded(event.job)) this.settle(event.job)
  }

  /** Ids of the jobs whose end somebody waits for. */
  get awaited(): readonly string[] {
    return [...this.#waiters.keys()]
  }

  /** Tells the end of a job to those alone who wait for it. */
  settle(job: EndedJob): void {
    const waiters = this.#waiters.get(job.id)
    this.#waiters.delete(job.id)
    for (const settle of waiters ?? []) settle(job)
  }

  /** Resolves with the end of a job that has not ended yet; rejects with the signal's reason. */
  end(id: string, signal?: AbortSignal): Promise<EndedJob> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(id) ?? new Set()
      this.#waiters.set(id, waiters)
      const giveUp = () => {
        waiters.delete(settle)
        if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id)
        reject(signal?.reason)
      }
      const settle = (ended: EndedJob) => {
        signal?.removeEventListener('abort', giveUp)
        resolve(ended)
      }
      waiters.add(settle)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }
}
