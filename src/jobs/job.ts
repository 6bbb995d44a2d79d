import type { ErrorCode } from '../errors.ts'
import type { MadePicture, ResultOf, TaskKind } from './task.ts'

/** A job is in exactly one of these, and `done`, `failed` and `cancelled` are for ever. */
export type JobState = 'queued' | 'running' | EndState
export type EndState = 'done' | 'failed' | 'cancelled'

/** What is known of a job at one moment; it does not change afterwards, ask the queue again. */
export interface Job<K extends TaskKind = TaskKind> {
  readonly id: string
  readonly kind: K
  readonly state: JobState
  /** Whose turn it uses: the queue is fair between users. */
  readonly user: string
  /** A name the submitter finds it by, such as A1111's task id; not unique. */
  readonly tag: string | undefined
  /** A few words for lists: the prompt. */
  readonly title: string
  readonly priority: number
  readonly submittedAt: Date
  readonly startedAt: Date | undefined
  readonly endedAt: Date | undefined
  /** How often it was started: 2 after a crash. */
  readonly attempts: number
  /** Jobs that come before it, of those waiting; undefined once it runs. */
  readonly ahead: number | undefined
  /** Of a running job. */
  readonly progress: JobProgress | undefined
  /** Of a failed or cancelled job. */
  readonly error: JobError | undefined
  /** Of a done job. */
  readonly result: ResultOf<K> | undefined
}

/** How far a running job is. */
export interface JobProgress {
  readonly pass: 'first' | 'hires'
  /** Which batch of how many, counted from 0. */
  readonly batch: number
  readonly batches: number
  /** Steps of this pass done, of as many. */
  readonly step: number
  readonly steps: number
  /** Share of the whole job that is done, 0 to 1. */
  readonly fraction: number
  readonly elapsedSeconds: number
  /** Seconds that are left, once there is something to judge by. */
  readonly etaSeconds: number | undefined
  /** What will come out of it, the newest one there is. */
  readonly preview: Preview | undefined
}

/** A small picture of what is coming: the whole batch as one grid. */
export interface Preview {
  /** Counts up within a job, so that nobody fetches the same one twice. */
  readonly number: number
  readonly width: number
  readonly height: number
  readonly png: Uint8Array
}

/** Why a job failed or was cancelled, for the person who submitted it. */
export interface JobError {
  readonly code: ErrorCode
  readonly message: string
  readonly field: string | undefined
}

/** What a queue tells about its jobs, in the order in which it happens. */
export type JobEvent =
  | { readonly kind: 'queued' | 'started' | EndState; readonly job: Job }
  /** Its worker died; it waits for another attempt. */
  | { readonly kind: 'requeued'; readonly job: Job }
  | { readonly kind: 'step'; readonly job: Job; readonly hasNewPreview: boolean }
  | { readonly kind: 'picture'; readonly job: Job; readonly picture: MadePicture }
  /** The order of waiting jobs has changed. */
  | { readonly kind: 'reordered' }
  | { readonly kind: 'paused' | 'resumed' }

export type EndedJob<K extends TaskKind = TaskKind> = Job<K> & { readonly state: EndState; readonly endedAt: Date }

/** Whether nothing more can happen to a job. */
export function isEnded<K extends TaskKind>(job: Job<K>): job is EndedJob<K> {
  return job.state === 'done' || job.state === 'failed' || job.state === 'cancelled'
}
