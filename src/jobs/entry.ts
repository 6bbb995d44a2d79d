import { randomUUID } from 'node:crypto'
import { costOf } from './cost.ts'
import type { EndedJob, EndState, Job, JobError, JobState } from './job.ts'
import type { SubmitOptions } from './queue.ts'
import { checkpointOf, type ResultOf, type Task, type TaskKind, titleOf } from './task.ts'

/** A job as it is written down. */
export interface Entry {
  readonly id: string
  readonly kind: TaskKind
  readonly state: JobState
  readonly user: string
  readonly tag: string | undefined
  readonly title: string
  readonly priority: number
  /** Where it stands among jobs of its priority. */
  readonly place: number
  readonly checkpoint: string | undefined
  /** How much work it is, in any unit that all jobs share. */
  readonly cost: number
  readonly isForgotten: boolean
  readonly submittedAt: Date
  readonly startedAt: Date | undefined
  readonly endedAt: Date | undefined
  readonly attempts: number
  /** Attempts that ended with the death of the worker. */
  readonly crashes: number
  readonly error: JobError | undefined
}

/** Deaths of a worker after which its job is given up. */
export const mostCrashes = 2

/** The entry of a job that is about to wait; its place is the queue's to give. */
export function newEntry(task: Task, options: SubmitOptions): Omit<Entry, 'place'> {
  const { user = 'local', tag, title = titleOf(task), priority = 0, onRestart = 'keep' } = options
  return {
    id: randomUUID(),
    kind: task.kind,
    state: 'queued',
    user,
    tag,
    title,
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
  }
}

/** A waiting or running job, by what its entry does not say. */
export function liveJob(entry: Entry, { ahead, progress }: Pick<Job, 'ahead' | 'progress'>): Job {
  return { ...shown(entry), state: entry.state, ahead, progress, error: undefined, result: undefined }
}

export function endedJob(entry: Entry, result: ResultOf<TaskKind> | undefined): EndedJob {
  const ended = { ahead: undefined, progress: undefined, error: entry.error, result }
  return { ...shown(entry), ...ended, state: entry.state as EndState, endedAt: entry.endedAt ?? new Date() }
}

function shown(entry: Entry) {
  const { id, kind, user, tag, title, priority, submittedAt, startedAt, endedAt, attempts } = entry
  return { id, kind, user, tag, title, priority, submittedAt, startedAt, endedAt, attempts }
}
