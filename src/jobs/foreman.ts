import type { Crew, Order, Report, SavingPlan, Work } from './crew.ts'
import type { EndState, JobError } from './job.ts'
import { jobErrorOf, stoppedOnRequest } from './jobErrors.ts'
import { Run } from './run.ts'
import type { MadePicture, ResultOf, TaskKind } from './task.ts'

/** What a queue does about the runs of its jobs. What it throws fails the job. */
export interface RunEvents {
  /** A worker waits for a job. */
  idle(): void
  stepped(id: string, run: Run, hasNewPreview: boolean): void
  /** Saves a file for good and answers its path. Each path is claimed before anything can be there. */
  save(id: string, plan: SavingPlan): Promise<string>
  /** A picture is there whole, and saved where it was to be. */
  pictured(id: string, run: Run, picture: MadePicture): void | Promise<void>
  /** A run has come to its end. */
  ended(id: string, run: Run, state: EndState, outcome: JobError | ResultOf<TaskKind>): void | Promise<void>
  /** The worker died, and nobody had asked to cancel the job. */
  crashed(id: string, run: Run, reason: string): void | Promise<void>
}

/** A place for a job. */
export interface Vacancy {
  readonly workerId: string
  /** The checkpoint in the worker's memory. */
  readonly checkpoint: string | undefined
  readonly heldByOthers: ReadonlySet<string>
}

/** Leads a crew: gives jobs to its workers and follows what they report, in order, to the end of each run. */
export class Foreman {
  readonly #crew: Crew
  readonly #events: RunEvents
  readonly #log: (message: string, error: unknown) => void
  readonly #runs = new Map<string, Run>()
  #isClosing = false

  constructor(crew: Crew, events: RunEvents, log: (message: string, error: unknown) => void) {
    this.#crew = crew
    this.#events = events
    this.#log = log
  }

  begin(): void {
    this.#crew.begin({
      idle: () => this.#events.idle(),
      report: (workerId, id, report) => this.#report(workerId, id, report),
      died: (workerId, id, reason) => this.#died(workerId, id, reason),
    })
  }

  get workers() {
    return this.#crew.workers
  }

  get runs(): ReadonlyMap<string, Run> {
    return this.#runs
  }

  /** The idle worker that fits a checkpoint best: one that holds it, else one that holds none. */
  vacancy(wanted: string | undefined): Vacancy | undefined {
    const idle = this.#crew.workers.filter(({ state }) => state === 'idle')
    const worker =
      idle.find(({ checkpoint }) => checkpoint !== undefined && checkpoint === wanted) ??
      idle.find(({ checkpoint }) => checkpoint === undefined) ??
      idle[0]
    if (!worker) return undefined
    const others = this.#crew.workers.filter(({ id, state }) => id !== worker.id && state !== 'stopped')
    const heldByOthers = new Set(others.flatMap(({ checkpoint }) => checkpoint ?? []))
    return { workerId: worker.id, checkpoint: worker.checkpoint, heldByOthers }
  }

  isIdle(workerId: string): boolean {
    return this.#crew.workers.some(({ id, state }) => id === workerId && state === 'idle')
  }

  start(workerId: string, work: Work): Run {
    const run = new Run(workerId)
    this.#crew.assign(workerId, work)
    this.#runs.set(work.jobId, run)
    return run
  }

  /** Stops a run; what it reports from now on is nobody's concern. */
  abandon(id: string): void {
    const run = this.#runs.get(id)
    if (!run) return
    this.#runs.delete(id)
    this.#crew.order(run.workerId, id, 'cancel')
  }

  /** Forgets a run that has ended. */
  forget(id: string): void {
    this.#runs.delete(id)
  }

  order(id: string, order: Order): void {
    const run = this.#runs.get(id)
    if (!run) return
    if (order === 'cancel') run.isCancelled = true
    this.#crew.order(run.workerId, id, order)
  }

  /** Ends all workers. Runs that were not at their end stay in `runs`, with all they had reported followed. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#crew.close()
    await Promise.all([...this.#runs.values()].map(({ handled }) => handled))
  }

  #report(workerId: string, id: string, report: Report): void {
    const run = this.#runOn(workerId, id)
    if (!run) return
    if (report.kind === 'step') this.#events.stepped(id, run, run.step(report))
    else this.#after(id, run, () => this.#follow(id, run, report))
  }

  async #follow(id: string, run: Run, report: Exclude<Report, { kind: 'step' }>): Promise<void> {
    if (report.kind === 'picture') {
      const { saving, ...picture } = report.picture
      let savedPath: string | undefined
      for (const plan of saving) {
        const path = await this.#events.save(id, plan)
        if (plan.isPicture) savedPath = path
      }
      run.pictures.push({ ...picture, savedPath })
      await this.#events.pictured(id, run, { ...picture, savedPath })
      return
    }
    if (report.kind === 'failed' && report.stack !== undefined) this.#log(`job ${id} failed`, report.stack)
    if (run.failure) await this.#events.ended(id, run, 'failed', run.failure)
    else if (report.kind === 'failed') await this.#events.ended(id, run, 'failed', report.error)
    else if (report.kind === 'cancelled' || run.isCancelled) {
      await this.#events.ended(id, run, 'cancelled', stoppedOnRequest)
    } else await this.#events.ended(id, run, 'done', run.completed(report.result))
  }

  /** A run that was given up may still be reporting while the job runs again on another worker. */
  #runOn(workerId: string, id: string): Run | undefined {
    const run = this.#runs.get(id)
    return run?.workerId === workerId ? run : undefined
  }

  #died(workerId: string, id: string, reason: string): void {
    const run = this.#runOn(workerId, id)
    if (!run || this.#isClosing) return
    this.#log(`the worker of job ${id} died`, reason)
    this.#after(id, run, async () => {
      if (run.isCancelled) await this.#events.ended(id, run, 'cancelled', stoppedOnRequest)
      else await this.#events.crashed(id, run, reason)
    })
  }

  /** Work that a report asks for is done in the order of reports. What fails there fails the job. */
  #after(id: string, run: Run, work: () => Promise<void>): void {
    run.handled = run.handled.then(async () => {
      if (this.#runs.get(id) !== run) return
      try {
        await work()
      } catch (error) {
        this.#log(`a report of job ${id} could not be followed`, error)
        run.failure ??= jobErrorOf(error)
        this.#crew.order(run.workerId, id, 'cancel')
      }
    })
  }
}
