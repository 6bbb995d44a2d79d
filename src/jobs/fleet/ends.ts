import { setTimeout as pause } from 'node:timers/promises'
import type { JobFiles } from '../jobFiles.ts'
import type { Fleet } from './fleet.ts'
import { type Ending, endedFrom, outcomeOf } from './record.ts'
import { isConnectionError, keys } from './redis.ts'

/** Seconds between attempts to write down an end while Redis is gone. */
const patienceSeconds = 0.5

/** Writes down how jobs end, each once, and forgets those that ended long ago. */
export class Ends {
  readonly #fleet: Fleet
  readonly #files: JobFiles
  readonly #remembered: number
  #sincePrune = 0

  constructor(fleet: Fleet, files: JobFiles, remembered: number) {
    this.#fleet = fleet
    this.#files = files
    this.#remembered = remembered
  }

  /** False where the job is another's by now, who will end it. */
  async end(ending: Ending): Promise<boolean> {
    const { stored, state } = ending
    const id = String(stored.id)
    if (!(await this.#write(ending))) {
      this.#fleet.log(`what came of job ${id} is dropped`, 'its lock was lost')
      return false
    }
    try {
      const ended = await this.#fleet.line.find(id)
      if (ended) this.#fleet.bus.tell({ kind: state, job: endedFrom(ended, this.#fleet.portable) })
      if (state !== 'done') await this.#discard(id)
      await this.#fleet.redis.multi().del(keys.claims(id)).hdel(keys.cancelled, id).exec()
      await this.#prune()
    } catch (error) {
      // The end stands; who waits for it looks by itself.
      this.#fleet.log(`job ${id} has ended, and that could not be told`, error)
    }
    return true
  }

  async #write(ending: Ending): Promise<boolean> {
    const { stored, token } = ending
    const written = outcomeOf(ending, this.#fleet.portable)
    for (;;) {
      try {
        await stored.moveToCompleted(written, token, false)
        return true
      } catch (error) {
        if (isConnectionError(error)) {
          await pause(patienceSeconds * 1000)
          continue
        }
        // The answer to an earlier attempt may have been lost on its way.
        const now = await this.#fleet.line.find(String(stored.id))
        return now?.returnvalue?.token === token
      }
    }
  }

  async #prune(): Promise<void> {
    if (++this.#sincePrune < Math.max(10, this.#remembered / 10)) return
    this.#sincePrune = 0
    const { queue } = this.#fleet.line
    const old = await queue.getJobs(['completed'], this.#remembered, this.#remembered + 1000)
    for (const job of old) {
      const id = String(job.id)
      await job.remove()
      await this.#fleet.redis.del(keys.task(id), keys.claims(id))
      await this.#discard(id)
    }
  }

  #discard(id: string): Promise<void> {
    return this.#files.discard(id).catch((error) => this.#fleet.log(`files of job ${id} could not be removed`, error))
  }
}
