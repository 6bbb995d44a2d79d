import type { EndedJob, Job, JobEvent, JobState } from './job.ts'
import type { TaskKind, TaskOf } from './task.ts'

/**
 * Work that waits and runs. `submit` resolves once the job is written down: from then on it survives the end of the
 * process, and it ends exactly once in done, failed or cancelled.
 *
 * An id that does not exist is the error `not-found`; what does not fit a job's state (cancelling one that has ended)
 * is `conflict`; a queue at its limit answers `busy`.
 *
 * A route that answers with the result submits and waits in one call, see `runTask`:
 *
 *     const recipe = await recipeFromRequest(body, 'txt2img', studio)
 *     const task = generateTask('txt2img', recipe, { saving: true })
 *     const { id, result } = await runTask(queue, task, { user, tag: body.force_task_id, signal })
 *     const png = await queue.file(id, result.pictures[0].file)
 */
export interface JobQueue {
  /** The error `busy` where a job of this user would not be accepted now: to be asked before any work is done for it. */
  admit(user: string): Promise<void>
  submit<K extends TaskKind>(task: TaskOf<K> & { readonly kind: K }, options?: SubmitOptions): Promise<Job<K>>

  get(id: string): Promise<Job>
  /** Newest first but for waiting jobs, which come in the order in which they are expected to run. */
  list(filter?: JobFilter): Promise<readonly Job[]>
  /** What a job was asked to do. */
  task(id: string): Promise<TaskOf<TaskKind>>
  /** A file that a job made, by the name its result gives. */
  file(id: string, name: string): Promise<Uint8Array>

  /** Resolves when the job has ended, however it ended. Giving up waiting (`signal`) leaves the job alone. */
  ended<K extends TaskKind>(job: Job<K>, signal?: AbortSignal): Promise<EndedJob<K>>
  /** Tells everything that happens from now on, until the returned function is called. Listeners must not throw. */
  subscribe(listener: (event: JobEvent) => void): () => void

  /** Ends a job as cancelled: at once where it waits, within one step where it runs. */
  cancel(id: string): Promise<void>
  /** Lets a running job finish with what it has: it ends as done, the last picture as far as it is. */
  interrupt(id: string): Promise<void>
  /** Lets a running job finish its current batch with what it has, and go on with the next one. */
  skip(id: string): Promise<void>
  /** Moves a waiting job before another one, or to the end. */
  move(id: string, before: string | undefined): Promise<void>

  /** Starts nothing new; what runs goes on. */
  pause(): Promise<void>
  resume(): Promise<void>
  status(): Promise<QueueStatus>

  /** Takes no more work, waits for what runs at most `graceSeconds`, and leaves the rest for the next start. */
  close(graceSeconds?: number): Promise<void>
}

export interface SubmitOptions {
  /** `local` unless told otherwise. */
  readonly user?: string
  readonly tag?: string | undefined
  readonly title?: string
  /** Higher goes first, among the jobs of one user. */
  readonly priority?: number
  /**
   * `keep`, the usual, runs the job after a restart; `forget` cancels it then: for calls that answer with the result,
   * because their callers are gone.
   */
  readonly onRestart?: 'keep' | 'forget'
}

export interface JobFilter {
  readonly states?: readonly JobState[]
  readonly user?: string
  readonly tag?: string
  /** 100 unless told otherwise. */
  readonly limit?: number
}

export interface QueueStatus {
  readonly isPaused: boolean
  readonly queued: number
  readonly running: number
  /** Seconds until a job submitted now would start, as far as can be judged. */
  readonly waitSeconds: number | undefined
  readonly workers: readonly WorkerStatus[]
}

export interface WorkerStatus {
  readonly id: string
  readonly state: 'starting' | 'idle' | 'busy' | 'stopped'
  /** The checkpoint in its memory. */
  readonly checkpoint: string | undefined
  readonly jobId: string | undefined
  /** Memory it had in use after its last job. */
  readonly memoryBytes: number
}

/** How much may wait. */
export interface QueueLimits {
  readonly queued: number
  readonly queuedPerUser: number
}
