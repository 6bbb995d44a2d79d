import type { JobError, JobProgress, Preview } from './job.ts'
import type { WorkerStatus } from './queue.ts'
import type { MadePicture, ResultOf, Task, TaskKind } from './task.ts'

/** A job handed to a worker. */
export interface Work {
  readonly jobId: string
  readonly task: Task
  /** Where the job's files go, below a folder named after the attempt: a worker that was given up may still write. */
  readonly folder: string
  /** Counted from 1. */
  readonly attempt: number
}

/** What a worker may be told about the job it runs. */
export type Order = 'cancel' | 'interrupt' | 'skip'

/** What a worker tells about the job it runs. The last report of a job is `done`, `failed` or `cancelled`. */
export type Report =
  | ({ readonly kind: 'step'; readonly preview: Omit<Preview, 'number'> | undefined } & StepReport)
  | { readonly kind: 'picture'; readonly picture: StagedPicture }
  | { readonly kind: 'done'; readonly result: ResultOf<TaskKind> }
  | { readonly kind: 'failed'; readonly error: JobError; readonly stack: string | undefined }
  | { readonly kind: 'cancelled' }

export type StepReport = Pick<JobProgress, 'pass' | 'batch' | 'batches' | 'step' | 'steps' | 'fraction'>

/** A picture whose files lie in the job's folder. */
export interface StagedPicture extends MadePicture {
  /** Files that are to be saved for good. */
  readonly saving: readonly SavingPlan[]
}

/** A file of the job's folder, and where it is to be saved. */
export interface SavingPlan {
  readonly file: string
  readonly directory: string
  readonly basename: string
  readonly name: string
  readonly extension: string
  readonly isNumbered: boolean
  /** Files of the job's folder that go beside it, under its name with extensions of their own. */
  readonly companions: readonly { readonly extension: string; readonly file: string }[]
  /** It is the picture itself and no by-product. */
  readonly isPicture: boolean
}

/** Processes that compute, each one job at a time. */
export interface Crew {
  readonly workers: readonly WorkerStatus[]
  /** Starts the workers and says where they report. To be called once. */
  begin(reports: CrewReports): void
  /** Gives an idle worker a job. */
  assign(workerId: string, work: Work): void
  /** Passes an order on to a worker, where it still runs this job. */
  order(workerId: string, jobId: string, order: Order): void
  /** Ends all workers, whatever they do. */
  close(): Promise<void>
}

/** Where a crew reports. */
export interface CrewReports {
  /** A worker waits for a job. */
  idle(workerId: string): void
  /** In the order in which it happened. */
  report(workerId: string, jobId: string, report: Report): void
  /** A worker died while it ran this job; a new one is on its way. */
  died(workerId: string, jobId: string, reason: string): void
}
