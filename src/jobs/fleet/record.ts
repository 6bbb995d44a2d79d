import { deserialize, serialize } from 'node:v8'
import type { Job as StoredJob } from 'bullmq'
import { type Entry, endedJob } from '../entry.ts'
import type { EndedJob, EndState, JobError, JobState } from '../job.ts'
import type { ResultOf, TaskKind } from '../task.ts'
import type { Portable } from './portable.ts'

/** What a job carries through BullMQ besides its id, kind and state. Its task lies beside it: lists do not need that. */
export interface JobRecord {
  readonly user: string
  readonly tag: string | null
  readonly title: string
  readonly priority: number
  readonly place: number
  readonly checkpoint: string | null
  readonly cost: number
  /** The server whose caller waits for the result, where nobody else would. */
  readonly forServer: string | null
  readonly submittedAt: number
  /** Deaths of workers that their machine has survived; BullMQ counts those of machines. */
  readonly crashes: number
  /** Attempts that were stopped on purpose. */
  readonly stopped: number
}

/** How a job has ended. Whichever attempt writes it first has ended the job. */
export interface Outcome {
  readonly state: EndState
  /** The lock under which it was written. */
  readonly token: string
  readonly attempts: number
  readonly error: JobError | null
  /** A structured clone in base64. */
  readonly result: string | null
}

/** What is to be written down of an end. */
export interface Ending {
  readonly stored: Stored
  /** Of the lock that whoever ends the job must hold. */
  readonly token: string
  readonly attempts: number
  readonly state: EndState
  readonly outcome: JobError | ResultOf<TaskKind>
}

export type Stored = StoredJob<JobRecord, Outcome | null, TaskKind>

export function recordOf(entry: Omit<Entry, 'place'>, place: number, server: string, portable: Portable): JobRecord {
  const { user, tag, title, priority, checkpoint, cost, isForgotten, submittedAt, crashes } = entry
  return {
    user,
    tag: tag ?? null,
    title,
    priority,
    place,
    checkpoint: checkpoint === undefined ? null : portable.packPath(checkpoint),
    cost,
    forServer: isForgotten ? server : null,
    submittedAt: submittedAt.getTime(),
    crashes,
    stopped: 0,
  }
}

/** A stored job as it is written down; `state` is where it was found. */
export function entryOf(job: Stored, state: JobState): Entry {
  const { data, returnvalue: outcome } = job
  const isQueued = state === 'queued'
  const attempts = outcome?.attempts ?? attemptsOf(job)
  return {
    id: String(job.id),
    kind: job.name,
    state: outcome?.state ?? state,
    user: data.user,
    tag: data.tag ?? undefined,
    title: data.title,
    priority: data.priority,
    place: data.place,
    checkpoint: data.checkpoint ?? undefined,
    cost: data.cost,
    isForgotten: data.forServer !== null,
    submittedAt: new Date(data.submittedAt),
    startedAt: isQueued || attempts === 0 || !job.processedOn ? undefined : new Date(job.processedOn),
    endedAt: job.finishedOn ? new Date(job.finishedOn) : undefined,
    attempts,
    crashes: crashesOf(job),
    error: outcome?.error ?? undefined,
  }
}

/** How often it was started, but for attempts that were stopped on purpose. */
export function attemptsOf({ data, attemptsStarted }: Stored): number {
  return attemptsStarted - data.stopped
}

/** Attempts that ended with the death of a worker or of its machine. */
export function crashesOf({ data, stalledCounter }: Stored): number {
  return data.crashes + stalledCounter
}

export function outcomeOf({ state, token, attempts, outcome }: Ending, portable: Portable): Outcome {
  if (state !== 'done') return { state, token, attempts, error: outcome as JobError, result: null }
  return { state, token, attempts, error: null, result: serialize(portable.pack(outcome)).toString('base64') }
}

export function endedFrom(job: Stored, portable: Portable): EndedJob {
  const text = job.returnvalue?.result
  const result = text ? (deserialize(Buffer.from(text, 'base64')) as ResultOf<TaskKind>) : undefined
  return endedJob(entryOf(job, 'failed'), portable.unpack(result))
}
