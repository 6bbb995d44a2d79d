import { randomUUID } from 'node:crypto'
import { deserialize, serialize } from 'node:v8'
import { StudioError } from '../../errors.ts'
import { Bulletin } from '../bulletin.ts'
import type { Crew, Order } from '../crew.ts'
import { liveJob, newEntry } from '../entry.ts'
import { type EndedJob, isEnded, type Job, type JobEvent, type JobProgress } from '../job.ts'
import { checkRoom, isFileName, shuttingDown, stoppedOnRequest, unknownFile, unknownJob } from '../jobErrors.ts'
import type { JobFiles } from '../jobFiles.ts'
import { placeBefore, type TurnOrder } from '../order.ts'
import { Pace } from '../pace.ts'
import type { JobFilter, JobQueue, QueueLimits, QueueStatus, SubmitOptions } from '../queue.ts'
import type { Task, TaskKind, TaskOf } from '../task.ts'
import { Ends } from './ends.ts'
import { Fleet, type FleetSettings, serverSeconds } from './fleet.ts'
import { Hand } from './hand.ts'
import type { Standing } from './line.ts'
import { attemptsOf, endedFrom, entryOf, recordOf, type Stored } from './record.ts'
import { keys, reached } from './redis.ts'

export interface FleetQueueSettings {
  readonly redis: FleetSettings
  readonly files: JobFiles
  /** Workers of this machine; undefined where others do all the work. */
  readonly crew?: Crew | undefined
  readonly limits?: QueueLimits
  /** Ended jobs that are remembered, with their files. */
  readonly remembered?: number
}

/** What waits and what runs, at one moment. */
interface Glance {
  readonly order: TurnOrder<Standing>
  readonly running: readonly Stored[]
}

/** Milliseconds for which a glance serves all who ask. */
const glanceMs = 100
/** Seconds between looks at jobs whose end somebody waits for: its event may have been missed. */
const lookSeconds = 2
/** Seconds for which a task is kept whose job was never accepted. */
const orphanSeconds = 3600

/** The queue of a fleet, as a server sees it: jobs lie in Redis, and machines anywhere work for it. */
export class FleetQueue implements JobQueue {
  readonly #fleet: Fleet
  readonly #files: JobFiles
  readonly #limits: QueueLimits
  readonly #remembered: number
  readonly #ends: Ends
  readonly #bulletin = new Bulletin()
  readonly #pace = new Pace()
  /** How far jobs are, by what was last heard of them. */
  readonly #progress = new Map<string, JobProgress>()
  readonly #timers: NodeJS.Timeout[] = []
  #heard: Promise<void> = Promise.resolve()
  #glanced: { readonly at: number; readonly glance: Promise<Glance> } | undefined
  #hand: Hand | undefined
  #isClosing = false

  private constructor(fleet: Fleet, { files, limits, remembered = 1000 }: FleetQueueSettings) {
    this.#fleet = fleet
    this.#files = files
    this.#limits = limits ?? { queued: 1000, queuedPerUser: 1000 }
    this.#remembered = remembered
    this.#ends = new Ends(fleet, files, remembered)
  }

  static async open(settings: FleetQueueSettings): Promise<FleetQueue> {
    const fleet = await Fleet.open(settings.redis, 'prompt')
    const queue = new FleetQueue(fleet, settings)
    await fleet.bus.hearEvents((event) => queue.#hear(event))
    await queue.#register()
    queue.#every((serverSeconds * 1000) / 6, () => queue.#register())
    queue.#every(lookSeconds * 1000, () => queue.#lookAtAwaited())
    fleet.onReturn(() => queue.#lookAtAwaited().catch(() => undefined))
    const { crew } = settings
    if (crew) queue.#hand = await Hand.open({ ...settings, crew })
    return queue
  }

  #every(ms: number, work: () => Promise<void>): void {
    // That Redis is gone was told already.
    this.#timers.push(setInterval(() => work().catch(() => undefined), ms))
  }

  /** Says that this server is there, and with it whoever waits for its answers. */
  async #register(): Promise<void> {
    await this.#fleet.redis.set(keys.server(this.#fleet.id), '', 'EX', serverSeconds)
  }

  async admit(user: string): Promise<void> {
    if (this.#isClosing) throw shuttingDown()
    const { queued, queuedPerUser } = this.#limits
    const waiting = await reached(this.#fleet.line.queue.getWaitingCount())
    if (waiting < Math.min(queued, queuedPerUser)) return
    const glance = await this.#look()
    const waitSeconds = await this.#waitSeconds(glance)
    checkRoom(this.#limits, { waiting: glance.order.size, own: glance.order.sizeOf(user), waitSeconds })
  }

  async submit<K extends TaskKind>(
    task: TaskOf<K> & { readonly kind: K },
    options: SubmitOptions = {},
  ): Promise<Job<K>> {
    const entry = newEntry(task, options)
    await this.admit(entry.user)
    return reached(this.#write(entry, task)) as Promise<Job<K>>
  }

  async #write(entry: ReturnType<typeof newEntry>, task: Task): Promise<Job> {
    const { redis, portable, line, id: server, bus } = this.#fleet
    const place = await redis.incr(keys.places)
    await redis.set(keys.task(entry.id), serialize(portable.pack(task)), 'EX', orphanSeconds)
    await line.queue.add(entry.kind, recordOf(entry, place, server, portable), { jobId: entry.id })
    // From here on the job is there, and its task is for as long.
    await redis.persist(keys.task(entry.id))
    this.#glanced = undefined
    const waiting = await line.queue.getWaitingCount()
    const job = liveJob({ ...entry, place }, { ahead: Math.max(0, waiting - 1), progress: undefined })
    bus.tell({ kind: 'queued', job })
    return job
  }

  async get(id: string): Promise<Job> {
    const stored = await reached(this.#fleet.line.find(id))
    if (!stored) throw unknownJob(id)
    if (stored.finishedOn) return endedFrom(stored, this.#fleet.portable)
    const { order } = await this.#look()
    const ahead = order.expected().findIndex((each) => each.id === id)
    if (ahead >= 0) return this.#waitingJob(stored, ahead)
    // It may have been taken up, or put back, in this very moment.
    const state = await reached(stored.getState())
    return state === 'active' ? this.#runningJob(stored) : this.#waitingJob(stored, undefined)
  }

  async list(filter: JobFilter = {}): Promise<readonly Job[]> {
    const { states, user, tag, limit = 100 } = filter
    this.#glanced = undefined
    const { order, running } = await this.#look()
    const isWanted = (job: Job) =>
      (states === undefined || states.includes(job.state)) &&
      (user === undefined || job.user === user) &&
      (tag === undefined || job.tag === tag)
    const live = [
      ...running.map((stored) => this.#runningJob(stored)),
      ...order.expected().map(({ stored }, ahead) => this.#waitingJob(stored, ahead)),
    ].filter(isWanted)
    const wantsEnded = states?.some((state) => state !== 'queued' && state !== 'running') ?? true
    if (live.length >= limit || !wantsEnded) return live.slice(0, limit)
    const isFiltered = states !== undefined || user !== undefined || tag !== undefined
    const ended = await reached(this.#fleet.line.ended(isFiltered ? this.#remembered * 2 : limit - live.length))
    return [...live, ...ended.map((stored) => endedFrom(stored, this.#fleet.portable)).filter(isWanted)].slice(0, limit)
  }

  async task(id: string): Promise<Task> {
    const { line, redis, portable } = this.#fleet
    const stored = await reached(line.find(id))
    const bytes = stored && (await reached(redis.getBuffer(keys.task(id))))
    if (!bytes) throw unknownJob(id)
    return portable.unpack(deserialize(bytes) as Task)
  }

  async file(id: string, name: string): Promise<Uint8Array> {
    if (!isFileName(name) || !(await reached(this.#fleet.line.find(id)))) throw unknownFile(id, name)
    const bytes = await this.#files.read(id, name)
    if (!bytes) throw unknownFile(id, name)
    return bytes
  }

  async ended<K extends TaskKind>({ id }: Job<K>, signal?: AbortSignal): Promise<EndedJob<K>> {
    signal?.throwIfAborted()
    // Where nobody answers now, its end is heard of later.
    const stored = await this.#fleet.line.find(id).catch(() => null)
    if (stored === undefined) throw unknownJob(id)
    const end = this.#bulletin.end(id, signal)
    // It may have ended before anybody waited.
    await this.#lookAt(id).catch(() => undefined)
    return (await end) as EndedJob<K>
  }

  subscribe(listener: (event: JobEvent) => void): () => void {
    return this.#bulletin.subscribe(listener)
  }

  async cancel(id: string): Promise<void> {
    const { line, redis, bus } = this.#fleet
    await this.#unended(id)
    const token = randomUUID()
    const taken = await reached(line.takeOne(id, token))
    this.#glanced = undefined
    if (taken) {
      // Being taken up to be ended is no attempt.
      const attempts = attemptsOf(taken) - 1
      await this.#ends.end({ stored: taken, token, attempts, state: 'cancelled', outcome: stoppedOnRequest })
      return
    }
    await this.#unended(id)
    if ((await reached(redis.hsetnx(keys.cancelled, id, '1'))) === 0) {
      throw new StudioError('conflict', `job ${id} is being cancelled already`)
    }
    bus.order({ jobId: id, order: 'cancel' })
  }

  async interrupt(id: string): Promise<void> {
    await this.#pass(id, 'interrupt')
  }

  async skip(id: string): Promise<void> {
    await this.#pass(id, 'skip')
  }

  async #pass(id: string, order: Order): Promise<void> {
    const stored = await this.#unended(id)
    if ((await reached(stored.getState())) !== 'active') {
      throw new StudioError('conflict', `job ${id} has not begun`)
    }
    this.#fleet.bus.order({ jobId: id, order })
  }

  async move(id: string, before: string | undefined): Promise<void> {
    this.#glanced = undefined
    const { order } = await this.#look()
    const waiting = order.expected()
    const standing = async (wanted: string) => {
      const found = waiting.find((each) => each.id === wanted)
      if (found) return found
      await this.#unended(wanted)
      throw new StudioError('conflict', `job ${wanted} is running`)
    }
    const job = await standing(id)
    const place = placeBefore(waiting, job, before === undefined ? undefined : await standing(before))
    await reached(job.stored.updateData({ ...job.stored.data, place }))
    this.#glanced = undefined
    this.#fleet.bus.tell({ kind: 'reordered' })
  }

  async pause(): Promise<void> {
    await reached(this.#fleet.redis.set(keys.paused, 'yes'))
    this.#fleet.bus.tell({ kind: 'paused' })
  }

  async resume(): Promise<void> {
    await reached(this.#fleet.redis.del(keys.paused))
    this.#fleet.bus.tell({ kind: 'resumed' })
  }

  async status(): Promise<QueueStatus> {
    const { redis, portable } = this.#fleet
    const glance = await this.#look()
    const workers = await reached(this.#fleet.workers())
    return {
      isPaused: (await reached(redis.exists(keys.paused))) === 1,
      queued: glance.order.size,
      running: glance.running.length,
      waitSeconds: await this.#waitSeconds(glance),
      workers: workers.map((worker) => portable.unpack(worker)),
    }
  }

  async close(graceSeconds = 0): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    await this.#hand?.close(graceSeconds)
    for (const timer of this.#timers) clearInterval(timer)
    await this.#fleet.redis.del(keys.server(this.#fleet.id)).catch(() => undefined)
    await this.#heard
    await this.#fleet.close()
  }

  /** Events are told in their order, each when what it speaks of can be had here. */
  #hear(event: JobEvent): void {
    this.#heard = this.#heard.then(async () => {
      try {
        if (event.kind === 'picture' && event.picture.savedPath !== undefined) {
          await this.#files.fetchSaved(event.picture.savedPath)
        }
        await this.#note(event)
        this.#bulletin.tell(event)
      } catch (error) {
        this.#fleet.log('an event could not be followed', error)
      }
    })
  }

  async #note(event: JobEvent): Promise<void> {
    if (event.kind !== 'step') this.#glanced = undefined
    if (!('job' in event)) return
    const { job } = event
    if (event.kind === 'step' && job.progress) this.#progress.set(job.id, job.progress)
    else if (event.kind === 'requeued' || isEnded(job)) this.#progress.delete(job.id)
    if (event.kind !== 'done' || !job.startedAt || !job.endedAt) return
    const stored = await this.#fleet.line.find(job.id)
    if (stored) this.#pace.note(stored.data.cost, (Number(job.endedAt) - Number(job.startedAt)) / 1000)
  }

  async #lookAtAwaited(): Promise<void> {
    for (const id of this.#bulletin.awaited) await this.#lookAt(id)
  }

  async #lookAt(id: string): Promise<void> {
    const stored = await this.#fleet.line.find(id)
    if (stored?.finishedOn) this.#bulletin.settle(endedFrom(stored, this.#fleet.portable))
  }

  /** What waits and runs now, or did a moment ago. */
  #look(): Promise<Glance> {
    const now = performance.now()
    if (this.#glanced && now - this.#glanced.at < glanceMs) return this.#glanced.glance
    const { line } = this.#fleet
    const glance = reached(Promise.all([line.order(), line.running()]).then(([order, running]) => ({ order, running })))
    this.#glanced = { at: now, glance }
    return glance
  }

  /** Seconds until a job submitted now would start. */
  async #waitSeconds({ order, running }: Glance): Promise<number | undefined> {
    const costs = [
      ...order.expected().map(({ stored }) => stored.data.cost),
      ...running.map(({ id, data }) => data.cost * (1 - (this.#progress.get(String(id))?.fraction ?? 0))),
    ]
    return this.#pace.waitSeconds(costs, order.size, await reached(this.#fleet.workers()))
  }

  async #unended(id: string): Promise<Stored> {
    const stored = await reached(this.#fleet.line.find(id))
    if (!stored) throw unknownJob(id)
    if (!stored.finishedOn) return stored
    throw new StudioError('conflict', `job ${id} has ended: it is ${stored.returnvalue?.state ?? 'failed'}`)
  }

  #waitingJob(stored: Stored, ahead: number | undefined): Job {
    return liveJob(entryOf(stored, 'queued'), { ahead, progress: undefined })
  }

  #runningJob(stored: Stored): Job {
    const progress = this.#progress.get(String(stored.id))
    return liveJob(entryOf(stored, 'running'), { ahead: undefined, progress })
  }
}
