import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { StudioError } from '../errors.ts'
import { Bulletin } from './bulletin.ts'
import type { Crew, Order } from './crew.ts'
import { type Entry, endedJob, liveJob, mostCrashes, newEntry } from './entry.ts'
import { Foreman } from './foreman.ts'
import { type EndedJob, type EndState, isEnded, type Job, type JobError, type JobEvent } from './job.ts'
import {
  checkRoom,
  errorOf,
  isFileName,
  jobErrorOf,
  shuttingDown,
  stoppedOnRequest,
  unknownFile,
  unknownJob,
} from './jobErrors.ts'
import { FolderFiles } from './jobFiles.ts'
import { Journal } from './journal.ts'
import { placeBefore, TurnOrder } from './order.ts'
import { Pace } from './pace.ts'
import type { JobFilter, JobQueue, QueueLimits, QueueStatus, SubmitOptions } from './queue.ts'
import type { Run } from './run.ts'
import type { ResultOf, Task, TaskKind, TaskOf } from './task.ts'

export interface LocalQueueSettings {
  /** The journal and the files of jobs lie here. */
  readonly folder: string
  readonly crew: Crew
  readonly limits?: QueueLimits
  /** Ended jobs that are remembered, with their files. */
  readonly remembered?: number
  /** Told of what goes wrong inside. */
  readonly log?: (message: string, error: unknown) => void
}

/** Times a job may go down with the server before others go first: it may be what brings the server down. */
const suspiciousLosses = 3

/** A job that has not ended. */
interface Live {
  readonly id: string
  readonly user: string
  readonly priority: number
  readonly checkpoint: string | undefined
  place: number
  passedOver: number
  entry: Entry
  /** While it runs. */
  run: Run | undefined
}

/** The queue of one machine: a journal on disk and worker processes. */
export class LocalQueue implements JobQueue {
  readonly #files: FolderFiles
  readonly #limits: QueueLimits
  readonly #remembered: number
  readonly #log: (message: string, error: unknown) => void
  readonly #journal: Journal
  readonly #foreman: Foreman
  readonly #live = new Map<string, Live>()
  readonly #order = new TurnOrder<Live>()
  readonly #pace = new Pace()
  readonly #bulletin = new Bulletin()
  #endedSincePrune = 0
  #isPaused = false
  #isClosing = false

  private constructor({ folder, crew, limits, remembered = 1000, log = () => undefined }: LocalQueueSettings) {
    this.#files = new FolderFiles(folder)
    this.#limits = limits ?? { queued: 1000, queuedPerUser: 1000 }
    this.#remembered = remembered
    this.#log = log
    this.#journal = new Journal(join(folder, 'journal.sqlite'))
    this.#foreman = new Foreman(
      crew,
      {
        idle: () => this.#dispatch(),
        stepped: (id, _, hasNewPreview) =>
          this.#tell({ kind: 'step', job: this.#jobOf(this.#known(id)), hasNewPreview }),
        save: async (id, plan) => {
          await this.#journal.flushed()
          return this.#files.save(id, plan, (path) => this.#journal.claim(id, { file: plan.file, path }))
        },
        pictured: (id, _, picture) => this.#tell({ kind: 'picture', job: this.#jobOf(this.#known(id)), picture }),
        ended: (id, _, state, outcome) => this.#end(this.#known(id), state, outcome),
        crashed: (id, _, reason) => this.#crashed(id, reason),
      },
      log,
    )
  }

  /** Opens the journal of a folder and goes on with what it holds. */
  static async open(settings: LocalQueueSettings): Promise<LocalQueue> {
    const queue = new LocalQueue(settings)
    await queue.#recover()
    queue.#foreman.begin()
    queue.#dispatch()
    return queue
  }

  /** What ran when the process ended waits again; what was for callers that are gone ends. */
  async #recover(): Promise<void> {
    this.#isPaused = this.#journal.isPaused
    const unended = this.#journal.list({ states: ['queued', 'running'], limit: Number.MAX_SAFE_INTEGER })
    for (const entry of [...unended].reverse()) {
      const { id, state, isForgotten, attempts } = entry
      if (state === 'running') await this.#takeBack(id)
      if (isForgotten) {
        this.#journal.end(id, 'cancelled', new Date(), errorOf('cancelled', 'the server was restarted meanwhile'))
      } else {
        if (state === 'running') this.#journal.requeue(id, 'lost')
        if (state === 'running' && attempts >= suspiciousLosses) this.#journal.moveToEnd(id)
        this.#wait(this.#journal.find(id)!)
      }
    }
  }

  #wait(entry: Entry): Live {
    const { id, user, priority, place, checkpoint } = entry
    const live: Live = { id, user, priority, place, checkpoint, passedOver: 0, entry, run: undefined }
    this.#live.set(id, live)
    this.#order.add(live)
    return live
  }

  async admit(user: string): Promise<void> {
    this.#checkRoom(user)
  }

  #checkRoom(user: string): void {
    if (this.#isClosing) throw shuttingDown()
    const waitSeconds = this.#waitSeconds()
    checkRoom(this.#limits, { waiting: this.#order.size, own: this.#order.sizeOf(user), waitSeconds })
  }

  async submit<K extends TaskKind>(
    task: TaskOf<K> & { readonly kind: K },
    options: SubmitOptions = {},
  ): Promise<Job<K>> {
    const entry = newEntry(task, options)
    this.#checkRoom(entry.user)
    const live = this.#wait(this.#journal.add(entry, task))
    const job = this.#jobOf(live) as Job<K>
    this.#tell({ kind: 'queued', job })
    this.#dispatch()
    // A caller that waits for the result learns that it was accepted when it is there.
    if (!entry.isForgotten) await this.#journal.flushed()
    return job
  }

  async get(id: string): Promise<Job> {
    const live = this.#live.get(id)
    if (live) return this.#jobOf(live)
    const entry = this.#journal.find(id)
    if (!entry) throw unknownJob(id)
    return endedJob(entry, this.#journal.result(id))
  }

  async list(filter: JobFilter = {}): Promise<readonly Job[]> {
    const { states, user, tag, limit = 100 } = filter
    const running = [...this.#live.values()].filter(({ run }) => run !== undefined)
    const waiting = this.#order.expected()
    const live = [...running, ...waiting]
      .filter((each) => user === undefined || each.user === user)
      .filter((each) => tag === undefined || each.entry.tag === tag)
      .filter(({ run }) => states === undefined || states.includes(run ? 'running' : 'queued'))
      .slice(0, limit)
    const ends = (['done', 'failed', 'cancelled'] as const).filter((state) => states?.includes(state) ?? true)
    const ended =
      live.length === limit || ends.length === 0
        ? []
        : this.#journal.list({ ...filter, states: ends, limit: limit - live.length })
    const places = new Map(waiting.map(({ id }, place) => [id, place]))
    return [
      ...live.map((each) => this.#jobOf(each, places.get(each.id))),
      ...ended.map((entry) => endedJob(entry, this.#journal.result(entry.id))),
    ]
  }

  async task(id: string): Promise<Task> {
    if (!this.#journal.find(id)) throw unknownJob(id)
    return this.#journal.task(id)
  }

  async file(id: string, name: string): Promise<Uint8Array> {
    if (!isFileName(name) || !this.#journal.find(id)) throw unknownFile(id, name)
    const bytes = await this.#files.read(id, name)
    if (!bytes) throw unknownFile(id, name)
    return bytes
  }

  async ended<K extends TaskKind>({ id }: Job<K>, signal?: AbortSignal): Promise<EndedJob<K>> {
    signal?.throwIfAborted()
    const job = await this.get(id)
    return (isEnded(job) ? job : await this.#bulletin.end(id, signal)) as EndedJob<K>
  }

  subscribe(listener: (event: JobEvent) => void): () => void {
    return this.#bulletin.subscribe(listener)
  }

  async cancel(id: string): Promise<void> {
    const live = this.#unended(id)
    if (!live.run) {
      this.#order.remove(live)
      this.#end(live, 'cancelled', stoppedOnRequest)
    } else if (live.run.isCancelled) throw new StudioError('conflict', `job ${id} is being cancelled already`)
    else this.#foreman.order(id, 'cancel')
  }

  async interrupt(id: string): Promise<void> {
    this.#pass(id, 'interrupt')
  }

  async skip(id: string): Promise<void> {
    this.#pass(id, 'skip')
  }

  #pass(id: string, order: Order): void {
    if (!this.#unended(id).run) throw new StudioError('conflict', `job ${id} has not begun`)
    this.#foreman.order(id, order)
  }

  async move(id: string, before: string | undefined): Promise<void> {
    const live = this.#waiting(id)
    const place = placeBefore(this.#order.expected(), live, before === undefined ? undefined : this.#waiting(before))
    this.#order.remove(live)
    live.place = place
    this.#journal.move(id, place)
    this.#order.add(live)
    this.#tell({ kind: 'reordered' })
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    this.#journal.isPaused = true
    this.#tell({ kind: 'paused' })
  }

  async resume(): Promise<void> {
    this.#isPaused = false
    this.#journal.isPaused = false
    this.#tell({ kind: 'resumed' })
    this.#dispatch()
  }

  async status(): Promise<QueueStatus> {
    return {
      isPaused: this.#isPaused,
      queued: this.#order.size,
      running: this.#live.size - this.#order.size,
      waitSeconds: this.#waitSeconds(),
      workers: this.#foreman.workers,
    }
  }

  async close(graceSeconds = 0): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    await Promise.race([this.#allEnded(), pause(graceSeconds * 1000, undefined, { ref: false })])
    await this.#foreman.close()
    for (const [id, run] of [...this.#foreman.runs]) {
      if (run.isCancelled) this.#end(this.#known(id), 'cancelled', stoppedOnRequest)
      else {
        await this.#takeBack(id)
        this.#journal.requeue(id, 'stopped')
      }
    }
    this.#journal.close()
  }

  async #allEnded(): Promise<void> {
    await Promise.all([...this.#foreman.runs.keys()].map((id) => this.get(id).then((job) => this.ended(job))))
  }

  /** Seconds until a job submitted now would start. */
  #waitSeconds(): number | undefined {
    const live = [...this.#live.values()]
    const costs = live.map(({ entry, run }) => entry.cost * (1 - (run?.fraction ?? 0)))
    return this.#pace.waitSeconds(costs, this.#order.size, this.#foreman.workers)
  }

  /** Gives every idle worker a job, as long as there are any. */
  #dispatch(): void {
    while (!this.#isPaused && !this.#isClosing) {
      const vacancy = this.#foreman.vacancy(this.#order.first()?.checkpoint)
      if (!vacancy) return
      const live = this.#order.next(vacancy.checkpoint, vacancy.heldByOthers)
      if (!live) return
      this.#start(live, vacancy.workerId)
    }
  }

  #start(live: Live, workerId: string): void {
    const { id } = live
    try {
      if (!this.#journal.start(id, new Date())) throw new Error(`internal: job ${id} was not waiting`)
      const task = this.#journal.task(id)
      live.entry = this.#journal.find(id)!
      const { attempts } = live.entry
      live.run = this.#foreman.start(workerId, { jobId: id, task, folder: this.#files.folderOf(id), attempt: attempts })
      this.#tell({ kind: 'started', job: this.#jobOf(live) })
    } catch (error) {
      this.#log(`job ${id} cannot be started`, error)
      this.#end(live, 'failed', jobErrorOf(error))
    }
  }

  async #crashed(id: string, reason: string): Promise<void> {
    const live = this.#known(id)
    if (live.entry.crashes + 1 >= mostCrashes) {
      return this.#end(live, 'failed', errorOf('crashed', `its worker died, for the second time: ${reason}`))
    }
    await this.#takeBack(id)
    this.#journal.requeue(id, 'crashed')
    this.#foreman.forget(id)
    const again = this.#wait(this.#journal.find(id)!)
    this.#tell({ kind: 'requeued', job: this.#jobOf(again) })
    this.#dispatch()
  }

  /** Removes what an attempt has left that will be made again. */
  async #takeBack(id: string): Promise<void> {
    await this.#files.takeBack(id, this.#journal.claims(id))
    this.#journal.dropClaims(id)
  }

  #end(live: Live, state: EndState, outcome: JobError | ResultOf<TaskKind>): void {
    const { id, entry, run } = live
    try {
      if (!this.#journal.end(id, state, new Date(), outcome)) throw new Error(`internal: job ${id} has ended twice`)
    } catch (error) {
      // A full disk: the job has ended all the same, and is written down as soon as there is room.
      this.#log(`the end of job ${id} could not be written down`, error)
      setTimeout(() => this.#live.get(id) === live && this.#end(live, state, outcome), 1000).unref()
      return
    }
    if (state === 'done' && run) this.#pace.note(entry.cost, run.elapsedSeconds)
    this.#live.delete(id)
    this.#foreman.forget(id)
    if (state !== 'done') this.#discard(id)
    this.#tell({ kind: state, job: endedJob(this.#journal.find(id)!, this.#journal.result(id)) })
    this.#prune()
    this.#dispatch()
  }

  #prune(): void {
    if (++this.#endedSincePrune < Math.max(10, this.#remembered / 10)) return
    this.#endedSincePrune = 0
    for (const id of this.#journal.prune(this.#remembered)) this.#discard(id)
  }

  #discard(id: string): void {
    this.#files.discard(id).catch((error) => this.#log(`files of job ${id} could not be removed`, error))
  }

  /** A job of which something is told that can only be of one that has not ended. */
  #known(id: string): Live {
    const live = this.#live.get(id)
    if (!live) throw new Error(`internal: job ${id} is not running`)
    return live
  }

  #unended(id: string): Live {
    const live = this.#live.get(id)
    if (live) return live
    const entry = this.#journal.find(id)
    if (!entry) throw unknownJob(id)
    throw new StudioError('conflict', `job ${id} has ended: it is ${entry.state}`)
  }

  #waiting(id: string): Live {
    const live = this.#unended(id)
    if (live.run) throw new StudioError('conflict', `job ${id} is running`)
    return live
  }

  #jobOf(live: Live, ahead?: number): Job {
    const { entry, run } = live
    const place = run ? undefined : (ahead ?? this.#order.expected().indexOf(live))
    return liveJob({ ...entry, state: run ? 'running' : 'queued' }, { ahead: place, progress: run?.progress })
  }

  #tell(event: JobEvent): void {
    this.#bulletin.tell(event)
  }
}
