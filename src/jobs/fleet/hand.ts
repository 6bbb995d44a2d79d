import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { deserialize } from 'node:v8'
import { StudioError } from '../../errors.ts'
import type { Crew } from '../crew.ts'
import { liveJob, mostCrashes } from '../entry.ts'
import { Foreman } from '../foreman.ts'
import type { EndState, Job, JobError } from '../job.ts'
import { errorOf, jobErrorOf, stoppedOnRequest } from '../jobErrors.ts'
import type { JobFiles } from '../jobFiles.ts'
import type { Claim } from '../publish.ts'
import type { Run } from '../run.ts'
import { filesOf, type MadePicture, type ResultOf, type Task, type TaskKind } from '../task.ts'
import { Ends } from './ends.ts'
import { Fleet, type FleetSettings } from './fleet.ts'
import { attemptsOf, crashesOf, entryOf, type JobRecord, type Stored } from './record.ts'
import { isConnectionError, keys } from './redis.ts'

/** A job that was taken up here. */
interface Held {
  readonly stored: Stored
  readonly token: string
  /** Names of files that were shared already. */
  readonly shared: Set<string>
}

export interface HandSettings {
  readonly redis: FleetSettings
  readonly crew: Crew
  readonly files: JobFiles
  /** Ended jobs that are remembered, with their files. */
  readonly remembered?: number
}

/** Seconds between looks at a queue of which nothing was heard. */
const lookSeconds = 3
/** Seconds between beginnings of the search for jobs whose machine is silent. */
const searchSeconds = 30
/** Seconds in which a machine that is closed hands back what it holds. */
const leaveSeconds = 10

/**
 * A machine that works for a fleet: it takes up jobs for its crew and brings them to their end. What it holds is its
 * own as long as it renews the locks; a job whose lock was lost is another's, and what is still made of it is dropped.
 */
export class Hand {
  readonly fleet: Fleet
  readonly #files: JobFiles
  readonly #foreman: Foreman
  readonly #ends: Ends
  readonly #held = new Map<string, Held>()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #name = `${hostname()}-${process.pid}`
  #dispatching: Promise<void> | undefined
  #isAskedAgain = false
  #isClosing = false

  private constructor(fleet: Fleet, { crew, files, remembered = 1000 }: HandSettings) {
    this.fleet = fleet
    this.#files = files
    this.#ends = new Ends(fleet, files, remembered)
    this.#foreman = new Foreman(
      crew,
      {
        idle: () => this.#look(),
        stepped: (id, run, hasNewPreview) =>
          this.fleet.bus.tell({ kind: 'step', job: this.#running(id, run), hasNewPreview }),
        save: (id, plan) => this.#files.save(id, plan, (path) => this.#claim(id, { file: plan.file, path })),
        pictured: (id, run, picture) => this.#pictured(id, run, picture),
        ended: (id, _, state, outcome) => this.#end(this.#ofId(id), state, outcome),
        crashed: (id, _, reason) => this.#crashed(this.#ofId(id), reason),
      },
      fleet.log,
    )
  }

  static async open(settings: HandSettings): Promise<Hand> {
    const fleet = await Fleet.open(settings.redis, 'patient')
    const hand = new Hand(fleet, settings)
    const { bus, line, lease } = fleet
    await bus.hearEvents(({ kind }) => {
      if (kind === 'queued' || kind === 'requeued' || kind === 'resumed') hand.#look()
    })
    await bus.hearOrders(({ jobId, order }) => hand.#foreman.order(jobId, order))
    line.hands.on('stalled', (id) => hand.#tellRequeued(id))
    await line.hands.startStalledCheckTimer()
    // An error of Redis other than its absence ends the search for lost jobs; it begins again.
    hand.#every(searchSeconds * 1000, () => line.hands.startStalledCheckTimer())
    hand.#foreman.begin()
    hand.#every((lease.seconds * 1000) / 5, () => hand.#renew())
    hand.#every((lease.seconds * 1000) / 5, () => hand.#register())
    hand.#every(lookSeconds * 1000, async () => hand.#look())
    await hand.#register()
    hand.#look()
    return hand
  }

  #every(ms: number, work: () => Promise<void>): void {
    const timer = setInterval(() => work().catch((error) => this.fleet.log('the queue', error)), ms)
    this.#timers.push(timer)
  }

  /** Lets what runs finish for a while, and leaves the rest for others. */
  async close(graceSeconds = 0): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    await this.#dispatching
    const end = Date.now() + graceSeconds * 1000
    while (this.#held.size > 0 && Date.now() < end) await pause(20)
    await this.#foreman.close()
    // Where Redis is gone, what is left here is found when the locks have run out.
    await Promise.race([this.#leave(), pause(leaveSeconds * 1000, undefined, { ref: false })])
    for (const timer of this.#timers) clearInterval(timer)
    await this.fleet.close()
  }

  async #leave(): Promise<void> {
    for (const [id, held] of [...this.#held]) {
      if (this.#foreman.runs.get(id)?.isCancelled) await this.#end(held, 'cancelled', stoppedOnRequest)
      else await this.#giveBack(held, { stopped: held.stored.data.stopped + 1 })
    }
    await this.fleet.redis.del(keys.machine(this.fleet.id))
  }

  /** Looks for work, once more where it is looking already. */
  #look(): void {
    if (this.#dispatching) {
      this.#isAskedAgain = true
      return
    }
    this.#dispatching = this.#dispatch()
      .catch((error) => this.fleet.log('no job could be taken up', error))
      .finally(() => {
        this.#dispatching = undefined
        if (this.#isAskedAgain) {
          this.#isAskedAgain = false
          this.#look()
        }
      })
  }

  /** Gives every idle worker a job, as long as there are any. */
  async #dispatch(): Promise<void> {
    const { line, redis } = this.fleet
    while (!this.#isClosing && this.#foreman.vacancy(undefined) && (await redis.exists(keys.paused)) === 0) {
      const elsewhere = (await this.fleet.workers()).flatMap(({ id, checkpoint }) =>
        checkpoint === undefined || id.startsWith(`${this.#name}/`) ? [] : [checkpoint],
      )
      let workerId = ''
      const token = randomUUID()
      const stored = await line.take(token, (order) => {
        const first = order.first()?.checkpoint
        const vacancy = this.#foreman.vacancy(first === undefined ? undefined : this.fleet.portable.unpackPath(first))
        if (!vacancy) return undefined
        workerId = vacancy.workerId
        const held = vacancy.checkpoint === undefined ? undefined : this.fleet.portable.packPath(vacancy.checkpoint)
        const here = [...vacancy.heldByOthers].map((path) => this.fleet.portable.packPath(path))
        return order.next(held, new Set([...here, ...elsewhere]))
      })
      if (!stored) return
      const held: Held = { stored, token, shared: new Set() }
      this.#held.set(String(stored.id), held)
      await this.#takeUp(held, workerId)
    }
  }

  async #takeUp(held: Held, workerId: string): Promise<void> {
    const { stored } = held
    const id = String(stored.id)
    try {
      if (stored.attemptsStarted > 1) await this.#takeBack(id)
      const why = await this.#reasonAgainst(held)
      // Being taken up to be ended is no attempt.
      if (why)
        return await this.#end(held, why.code === 'cancelled' ? 'cancelled' : 'failed', why, attemptsOf(stored) - 1)
      const bytes = await this.fleet.redis.getBuffer(keys.task(id))
      if (!bytes) throw new Error(`internal: job ${id} has no task`)
      const task = this.fleet.portable.unpack(deserialize(bytes) as Task)
      // Meanwhile the worker may have died.
      if (!this.#foreman.isIdle(workerId)) return await this.#giveBack(held, { stopped: stored.data.stopped + 1 })
      const work = { jobId: id, task, folder: this.#files.folderOf(id), attempt: stored.attemptsStarted }
      const run = this.#foreman.start(workerId, work)
      this.fleet.bus.tell({ kind: 'started', job: this.#running(id, run) })
      await this.#register()
    } catch (error) {
      this.fleet.log(`job ${id} cannot be started`, error)
      // What cannot be reached may be there for whoever finds the job next.
      if (isConnectionError(error) || (error instanceof StudioError && error.code === 'unreachable')) this.#drop(held)
      else await this.#end(held, 'failed', jobErrorOf(error))
    }
  }

  /** Why a job that was taken up is not to run after all. */
  async #reasonAgainst({ stored }: Held): Promise<JobError | undefined> {
    const { redis } = this.fleet
    const { forServer } = stored.data
    if ((await redis.hexists(keys.cancelled, String(stored.id))) === 1) return stoppedOnRequest
    if (crashesOf(stored) >= mostCrashes) {
      return errorOf('crashed', 'its worker died, for the second time: the machine was not heard of any more')
    }
    if (forServer !== null && (await redis.exists(keys.server(forServer))) === 0) {
      return errorOf('cancelled', 'the server was restarted meanwhile')
    }
    return undefined
  }

  async #pictured(id: string, run: Run, picture: MadePicture): Promise<void> {
    await this.#share(this.#ofId(id), filesOf(picture))
    this.fleet.bus.tell({ kind: 'picture', job: this.#running(id, run), picture })
  }

  async #share({ stored, shared }: Held, names: readonly string[]): Promise<void> {
    const fresh = names.filter((name) => !shared.has(name))
    for (const name of fresh) shared.add(name)
    await this.#files.share(String(stored.id), fresh)
  }

  /** Noted before a file can be there; refused where the job is another's by now, who may have looked already. */
  async #claim(id: string, { file, path }: Claim): Promise<void> {
    const { token } = this.#ofId(id)
    if (!(await this.fleet.line.holds(id, token))) throw new Error(`internal: job ${id} is another machine's by now`)
    await this.fleet.redis.hset(keys.claims(id), file, this.fleet.portable.packPath(path))
  }

  async #takeBack(id: string): Promise<void> {
    const claims = await this.fleet.redis.hgetall(keys.claims(id))
    const places = Object.entries(claims).map(([file, path]) => ({ file, path: this.fleet.portable.unpackPath(path) }))
    await this.#files.takeBack(id, places)
    await this.fleet.redis.del(keys.claims(id))
  }

  async #end(
    held: Held,
    state: EndState,
    outcome: JobError | ResultOf<TaskKind>,
    attempts = attemptsOf(held.stored),
  ): Promise<void> {
    const { stored, token } = held
    const id = String(stored.id)
    if (state === 'done' && 'outputs' in outcome) {
      try {
        await this.#share(held, outcome.outputs)
      } catch (error) {
        this.fleet.log(`the pictures of job ${id} could not be put where others find them`, error)
        return this.#end(held, 'failed', jobErrorOf(error))
      }
    }
    await this.#ends.end({ stored, token, attempts, state, outcome })
    this.#drop(held)
    await this.#files.release(id)
    await this.#register()
    this.#look()
  }

  async #crashed(held: Held, reason: string): Promise<void> {
    const { stored } = held
    if (crashesOf(stored) + 1 >= mostCrashes) {
      const error = errorOf('crashed', `its worker died, for the second time: ${reason}`)
      return this.#end(held, 'failed', error)
    }
    await this.#giveBack(held, { crashes: stored.data.crashes + 1 })
    this.#look()
  }

  /** Puts a job back into the line. Where that fails its lock runs out, and it is found. */
  async #giveBack(held: Held, noted: Partial<JobRecord>): Promise<void> {
    const { stored, token } = held
    const id = String(stored.id)
    try {
      await this.#takeBack(id)
      await stored.updateData({ ...stored.data, ...noted })
      await stored.moveToWait(token)
      this.#tellRequeued(id)
    } catch (error) {
      this.fleet.log(`job ${id} is left to be found`, error)
    } finally {
      this.#drop(held)
    }
  }

  #tellRequeued(id: string): void {
    this.fleet.line
      .find(id)
      .then((stored) => {
        if (!stored) return
        const job = liveJob(entryOf(stored, 'queued'), { ahead: undefined, progress: undefined })
        this.fleet.bus.tell({ kind: 'requeued', job })
      })
      .catch((error) => this.fleet.log('an event was not told', error))
  }

  async #renew(): Promise<void> {
    const all = new Map(this.#held)
    const tokens = new Map([...all].map(([id, { token }]) => [id, token]))
    for (const id of await this.fleet.line.renew(tokens)) {
      const held = all.get(id)
      // It may have ended in this very moment.
      if (!held || this.#held.get(id) !== held) continue
      this.fleet.log(`job ${id} is another machine's by now`, 'its lock was lost')
      this.#foreman.abandon(id)
      this.#drop(held)
    }
    // An order may have been given while nobody heard it.
    const runs = [...this.#foreman.runs].filter(([, run]) => !run.isCancelled)
    if (runs.length === 0) return
    const flags = await this.fleet.redis.hmget(keys.cancelled, ...runs.map(([id]) => id))
    for (const [i, [id]] of runs.entries()) if (flags[i] != null) this.#foreman.order(id, 'cancel')
  }

  /** Says who works here, for as long as it is said again. */
  async #register(): Promise<void> {
    const { redis, id, lease, portable } = this.fleet
    const workers = this.#foreman.workers.map((worker) => ({
      ...worker,
      id: `${this.#name}/${worker.id}`,
      checkpoint: worker.checkpoint === undefined ? undefined : portable.packPath(worker.checkpoint),
    }))
    await redis
      .multi()
      .set(keys.machine(id), JSON.stringify(workers), 'PX', Math.round(lease.seconds * 1000))
      .sadd(keys.machines, id)
      .exec()
  }

  /** Lets go of a job, unless it was taken up here anew meanwhile. */
  #drop(held: Held): void {
    const id = String(held.stored.id)
    if (this.#held.get(id) !== held) return
    this.#held.delete(id)
    this.#foreman.forget(id)
  }

  #ofId(id: string): Held {
    const held = this.#held.get(id)
    if (!held) throw new Error(`internal: job ${id} is not held here`)
    return held
  }

  #running(id: string, run: Run): Job {
    return liveJob(entryOf(this.#ofId(id).stored, 'running'), { ahead: undefined, progress: run.progress })
  }
}
