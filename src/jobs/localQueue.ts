import { randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import { costOf } from './cost.ts'
import type { Crew, Report } from './crew.ts'
import { type EndedJob, type EndState, isEnded, type Job, type JobError, type JobEvent } from './job.ts'
import { type Entry, Journal } from './journal.ts'
import { TurnOrder } from './order.ts'
import { Pace } from './pace.ts'
import { publish, withdraw } from './publish.ts'
import type { JobFilter, JobQueue, QueueLimits, QueueStatus, SubmitOptions } from './queue.ts'
import { Run } from './run.ts'
import { checkpointOf, type ResultOf, type Task, type TaskKind, type TaskOf, titleOf } from './task.ts'

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

/** Deaths of a worker after which its job is given up. */
const mostCrashes = 2
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
  readonly #folder: string
  readonly #crew: Crew
  readonly #limits: QueueLimits
  readonly #remembered: number
  readonly #log: (message: string, error: unknown) => void
  readonly #journal: Journal
  readonly #live = new Map<string, Live>()
  readonly #order = new TurnOrder<Live>()
  readonly #pace = new Pace()
  readonly #listeners = new Set<(event: JobEvent) => void>()
  readonly #waiters = new Map<string, Set<(job: EndedJob) => void>>()
  #endedSincePrune = 0
  #isPaused = false
  #isClosing = false

  private constructor({ folder, crew, limits, remembered = 1000, log = () => undefined }: LocalQueueSettings) {
    this.#folder = folder
    this.#crew = crew
    this.#limits = limits ?? { queued: 1000, queuedPerUser: 1000 }
    this.#remembered = remembered
    this.#log = log
    this.#journal = new Journal(join(folder, 'journal.sqlite'))
  }

  /** Opens the journal of a folder and goes on with what it holds. */
  static async open(settings: LocalQueueSettings): Promise<LocalQueue> {
    const queue = new LocalQueue(settings)
    await queue.#recover()
    queue.#crew.begin({
      idle: () => queue.#dispatch(),
      report: (jobId, report) => queue.#report(jobId, report),
      died: (jobId, reason) => queue.#died(jobId, reason),
    })
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

  async submit<K extends TaskKind>(
    task: TaskOf<K> & { readonly kind: K },
    { user = 'local', tag, title, priority = 0, onRestart = 'keep' }: SubmitOptions = {},
  ): Promise<Job<K>> {
    this.#checkRoom(user)
    const entry = this.#journal.add(
      {
        id: randomUUID(),
        kind: task.kind,
        state: 'queued',
        user,
        tag,
        title: title ?? titleOf(task),
        priority,
        checkpoint: checkpointOf(task),
        cost: costOf(task),
        isForgotten: onRestart === 'forget',
        submittedAt: new Date(),
        startedAt: undefined,
        endedAt: undefined,
        attempts: 0,
        crashes: 0,
        error: undefined,
      },
      task,
    )
    const live = this.#wait(entry)
    const job = this.#jobOf(live) as Job<K>
    this.#tell({ kind: 'queued', job })
    this.#dispatch()
    // A caller that waits for the result learns that it was accepted when it is there.
    if (onRestart === 'keep') await this.#journal.flushed()
    return job
  }

  #checkRoom(user: string): void {
    if (this.#isClosing) throw new StudioError('busy', 'the server is shutting down', { retryAfterSeconds: 5 })
    const { queued, queuedPerUser } = this.#limits
    const waiting = this.#order.size
    const own = this.#order.sizeOf(user)
    if (waiting < queued && own < queuedPerUser) return
    const what = waiting >= queued ? `${waiting} jobs wait` : `${own} jobs of yours wait`
    const perJob = (this.#waitSeconds() ?? 1) / Math.max(waiting, 1)
    throw new StudioError('busy', `${what} already, which is the limit`, { retryAfterSeconds: Math.max(1, perJob) })
  }

  async get(id: string): Promise<Job> {
    const live = this.#live.get(id)
    if (live) return this.#jobOf(live)
    const entry = this.#journal.find(id)
    if (!entry) throw unknownJob(id)
    return this.#endedJob(entry)
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
      ...ended.map((entry) => this.#endedJob(entry)),
    ]
  }

  async task(id: string): Promise<Task> {
    if (!this.#journal.find(id)) throw unknownJob(id)
    return this.#journal.task(id)
  }

  async file(id: string, name: string): Promise<Uint8Array> {
    if (!/^\d+\/[\w-]+(\.\w+)+$/.test(name) || !this.#journal.find(id)) throw unknownFile(id, name)
    try {
      return await readFile(join(this.#folder, id, name))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw unknownFile(id, name)
      throw cause
    }
  }

  async ended<K extends TaskKind>({ id }: Job<K>, signal?: AbortSignal): Promise<EndedJob<K>> {
    signal?.throwIfAborted()
    const job = await this.get(id)
    if (isEnded(job)) return job as EndedJob<K>
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(id) ?? new Set()
      this.#waiters.set(id, waiters)
      const giveUp = () => {
        waiters.delete(settle)
        reject(signal?.reason)
      }
      const settle = (ended: EndedJob) => {
        signal?.removeEventListener('abort', giveUp)
        resolve(ended as EndedJob<K>)
      }
      waiters.add(settle)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  subscribe(listener: (event: JobEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async cancel(id: string): Promise<void> {
    const live = this.#unended(id)
    const { run } = live
    if (!run) {
      this.#order.remove(live)
      this.#end(live, 'cancelled', errorOf('cancelled', 'stopped on request'))
    } else if (run.isCancelled) throw new StudioError('conflict', `job ${id} is being cancelled already`)
    else {
      run.isCancelled = true
      this.#crew.order(run.workerId, 'cancel')
    }
  }

  async interrupt(id: string): Promise<void> {
    this.#crew.order(this.#running(id).workerId, 'interrupt')
  }

  async skip(id: string): Promise<void> {
    this.#crew.order(this.#running(id).workerId, 'skip')
  }

  async move(id: string, before: string | undefined): Promise<void> {
    const live = this.#waiting(id)
    const line = this.#order.expected().filter((each) => each !== live && each.priority === live.priority)
    const next = before === undefined ? undefined : this.#waiting(before)
    if (next && next.priority !== live.priority) {
      throw new StudioError('conflict', `jobs ${id} and ${before} differ in priority`)
    }
    const places = line.map(({ place }) => place).sort((a, b) => a - b)
    const at = next ? places.indexOf(next.place) : places.length
    const below = places[at - 1] ?? (next?.place ?? live.place) - 2
    const place = next ? (below + next.place) / 2 : Math.max(below + 1, live.place)
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
      workers: this.#crew.workers,
    }
  }

  async close(graceSeconds = 0): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    await Promise.race([this.#allEnded(), pause(graceSeconds)])
    await this.#crew.close()
    for (const live of [...this.#live.values()]) {
      const { run, id } = live
      if (!run) continue
      await run.handled
      if (!this.#live.has(id)) continue
      if (run.isCancelled) this.#end(live, 'cancelled', errorOf('cancelled', 'stopped on request'))
      else {
        await this.#takeBack(id)
        this.#journal.requeue(id, 'stopped')
      }
    }
    this.#journal.close()
  }

  async #allEnded(): Promise<void> {
    const running = [...this.#live.values()].filter(({ run }) => run !== undefined)
    await Promise.all(running.map(({ id }) => this.get(id).then((job) => this.ended(job))))
  }

  /** Seconds until a job submitted now would start. */
  #waitSeconds(): number | undefined {
    const live = [...this.#live.values()]
    const cost = live.reduce((sum, { entry, run }) => sum + entry.cost * (1 - (run?.fraction ?? 0)), 0)
    const hands = this.#crew.workers.filter(({ state }) => state !== 'stopped').length
    if (this.#order.size === 0 && live.length < hands) return 0
    return hands === 0 ? undefined : this.#pace.seconds(cost, hands)
  }

  /** Gives every idle worker a job, as long as there are any. */
  #dispatch(): void {
    while (!this.#isPaused && !this.#isClosing) {
      const wanted = this.#order.first()?.checkpoint
      const idle = this.#crew.workers.filter(({ state }) => state === 'idle')
      const worker =
        idle.find(({ checkpoint }) => checkpoint !== undefined && checkpoint === wanted) ??
        idle.find(({ checkpoint }) => checkpoint === undefined) ??
        idle[0]
      if (!worker) return
      const others = this.#crew.workers.filter(({ id, state }) => id !== worker.id && state !== 'stopped')
      const held = new Set(others.flatMap(({ checkpoint }) => checkpoint ?? []))
      const live = this.#order.next(worker.checkpoint, held)
      if (!live) return
      this.#start(live, worker.id)
    }
  }

  #start(live: Live, workerId: string): void {
    const { id } = live
    try {
      if (!this.#journal.start(id, new Date())) throw new Error(`internal: job ${id} was not waiting`)
      const task = this.#journal.task(id)
      live.entry = this.#journal.find(id)!
      live.run = new Run(workerId)
      this.#crew.assign(workerId, { jobId: id, task, folder: join(this.#folder, id), attempt: live.entry.attempts })
      this.#tell({ kind: 'started', job: this.#jobOf(live) })
    } catch (error) {
      this.#log(`job ${id} cannot be started`, error)
      this.#end(live, 'failed', jobErrorOf(error))
    }
  }

  #report(id: string, report: Report): void {
    const live = this.#live.get(id)
    const run = live?.run
    if (!live || !run) return
    switch (report.kind) {
      case 'step': {
        const hasNewPreview = run.step(report)
        this.#tell({ kind: 'step', job: this.#jobOf(live), hasNewPreview })
        return
      }
      case 'picture': {
        const { saving, ...picture } = report.picture
        this.#after(live, run, async () => {
          let savedPath: string | undefined
          for (const plan of saving) {
            await this.#journal.flushed()
            const path = await publish(plan, join(this.#folder, id), (tried) =>
              this.#journal.claim(id, { file: plan.file, path: tried }),
            )
            if (plan.isPicture) savedPath = path
          }
          run.pictures.push({ ...picture, savedPath })
          this.#tell({ kind: 'picture', job: this.#jobOf(live), picture: { ...picture, savedPath } })
        })
        return
      }
      case 'done':
        this.#after(live, run, async () => {
          if (run.failure) this.#end(live, 'failed', run.failure)
          else if (run.isCancelled) this.#end(live, 'cancelled', errorOf('cancelled', 'stopped on request'))
          else this.#end(live, 'done', run.completed(report.result))
        })
        return
      case 'failed':
        this.#after(live, run, async () => {
          if (report.stack !== undefined) this.#log(`job ${id} failed`, report.stack)
          this.#end(live, 'failed', run.failure ?? report.error)
        })
        return
      case 'cancelled':
        this.#after(live, run, async () => {
          if (run.failure) this.#end(live, 'failed', run.failure)
          else this.#end(live, 'cancelled', errorOf('cancelled', 'stopped on request'))
        })
    }
  }

  /** Work that a report asks for is done in the order of reports. What fails there fails the job. */
  #after(live: Live, run: Run, work: () => Promise<void>): void {
    run.handled = run.handled.then(async () => {
      if (this.#live.get(live.id) !== live) return
      try {
        await work()
      } catch (error) {
        this.#log(`a report of job ${live.id} could not be followed`, error)
        run.failure ??= jobErrorOf(error)
        this.#crew.order(run.workerId, 'cancel')
      }
    })
  }

  #died(id: string, reason: string): void {
    const live = this.#live.get(id)
    const run = live?.run
    if (!live || !run || this.#isClosing) return
    this.#log(`the worker of job ${id} died`, reason)
    this.#after(live, run, async () => {
      if (run.isCancelled) return this.#end(live, 'cancelled', errorOf('cancelled', 'stopped on request'))
      if (live.entry.crashes + 1 >= mostCrashes) {
        return this.#end(live, 'failed', errorOf('crashed', `its worker died, for the second time: ${reason}`))
      }
      await this.#takeBack(id)
      this.#journal.requeue(id, 'crashed')
      this.#live.delete(id)
      const again = this.#wait(this.#journal.find(id)!)
      this.#tell({ kind: 'requeued', job: this.#jobOf(again) })
      this.#dispatch()
    })
  }

  /** Removes what an attempt has left that will be made again. */
  async #takeBack(id: string): Promise<void> {
    const folder = join(this.#folder, id)
    await withdraw(this.#journal.claims(id), folder)
    this.#journal.dropClaims(id)
    await rm(folder, { recursive: true, force: true })
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
    const job = this.#endedJob(this.#journal.find(id)!)
    if (state !== 'done') rm(join(this.#folder, id), { recursive: true, force: true }).catch(() => undefined)
    this.#tell({ kind: state, job })
    const waiters = this.#waiters.get(id)
    this.#waiters.delete(id)
    for (const settle of waiters ?? []) settle(job)
    this.#prune()
    this.#dispatch()
  }

  #prune(): void {
    if (++this.#endedSincePrune < Math.max(10, this.#remembered / 10)) return
    this.#endedSincePrune = 0
    for (const id of this.#journal.prune(this.#remembered)) {
      rm(join(this.#folder, id), { recursive: true, force: true }).catch(() => undefined)
    }
  }

  #unended(id: string): Live {
    const live = this.#live.get(id)
    if (live) return live
    const entry = this.#journal.find(id)
    if (!entry) throw unknownJob(id)
    throw new StudioError('conflict', `job ${id} has ended: it is ${entry.state}`)
  }

  #running(id: string): Run {
    const { run } = this.#unended(id)
    if (!run) throw new StudioError('conflict', `job ${id} has not begun`)
    return run
  }

  #waiting(id: string): Live {
    const live = this.#unended(id)
    if (live.run) throw new StudioError('conflict', `job ${id} is running`)
    return live
  }

  #jobOf(live: Live, ahead?: number): Job {
    const { entry, run } = live
    return {
      ...common(entry),
      state: run ? 'running' : 'queued',
      ahead: run ? undefined : (ahead ?? this.#order.expected().indexOf(live)),
      progress: run?.progress,
      error: undefined,
      result: undefined,
    }
  }

  #endedJob(entry: Entry): EndedJob {
    const { id, state, error } = entry
    const ended = { ...common(entry), ahead: undefined, progress: undefined, error, result: this.#journal.result(id) }
    return { ...ended, state: state as EndState, endedAt: entry.endedAt ?? new Date() }
  }

  #tell(event: JobEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

function common(entry: Entry) {
  const { id, kind, user, tag, title, priority, submittedAt, startedAt, endedAt, attempts } = entry
  return { id, kind, user, tag, title, priority, submittedAt, startedAt, endedAt, attempts }
}

function errorOf(code: JobError['code'], message: string): JobError {
  return { code, message, field: undefined }
}

function jobErrorOf(error: unknown): JobError {
  if (error instanceof StudioError) return { code: error.code, message: error.message, field: error.field }
  return errorOf('crashed', 'something went wrong inside; the log of the server tells more')
}

function unknownJob(id: string): StudioError {
  return new StudioError('not-found', `there is no job ${id}`)
}

function unknownFile(id: string, name: string): StudioError {
  return new StudioError('not-found', `job ${id} has no file ${name}`)
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000).unref())
}
