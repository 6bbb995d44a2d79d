import type { Report } from '../jobs/crew.ts'
import type { ResultOf, TaskKind, TaskOf } from '../jobs/task.ts'
import type { SkipRequest } from '../pipeline/job.ts'

/** What a runner is given besides its task. */
export interface JobContext {
  /** Aborted when the job is cancelled. */
  readonly signal: AbortSignal
  /** Aborted when the job is to finish with what it has. */
  readonly interrupt: AbortSignal
  readonly skip: SkipRequest
  report(report: Extract<Report, { kind: 'step' | 'picture' }>): void
  /** Writes a file into the job's folder and answers the name by which the queue finds it. */
  stage(name: string, bytes: Uint8Array): Promise<string>
}

/** Does the work of one kind of task. A `StudioError` with `cancelled` ends the job as cancelled, any other as failed. */
export type Runner<K extends TaskKind> = (task: TaskOf<K>, context: JobContext) => Promise<ResultOf<K>>

export type Runners = { readonly [K in TaskKind]: Runner<K> }

/** What a worker process works with. */
export interface Workshop {
  readonly runners: Runners
  /** The checkpoint in memory. */
  heldCheckpoint(): string | undefined
}
