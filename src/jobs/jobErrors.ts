import { StudioError } from '../errors.ts'
import type { JobError } from './job.ts'
import type { QueueLimits } from './queue.ts'

export function errorOf(code: JobError['code'], message: string): JobError {
  return { code, message, field: undefined }
}

/** What the person who submitted a job may know of what went wrong. */
export function jobErrorOf(error: unknown): JobError {
  if (error instanceof StudioError) return { code: error.code, message: error.message, field: error.field }
  return errorOf('crashed', 'something went wrong inside; the log of the server tells more')
}

export const stoppedOnRequest = errorOf('cancelled', 'stopped on request')

export function unknownJob(id: string): StudioError {
  return new StudioError('not-found', `there is no job ${id}`)
}

export function unknownFile(id: string, name: string): StudioError {
  return new StudioError('not-found', `job ${id} has no file ${name}`)
}

export function shuttingDown(): StudioError {
  return new StudioError('busy', 'the server is shutting down', { retryAfterSeconds: 5 })
}

/** Whether a name may be one of a job's files: an attempt and a plain name, which leads nowhere else. */
export function isFileName(name: string): boolean {
  return /^\d+\/[\w-]+(\.\w+)+$/.test(name)
}

/** How many jobs wait, of all users and of one, and how long that takes as far as is known. */
export interface Crowd {
  readonly waiting: number
  readonly own: number
  readonly waitSeconds: number | undefined
}

/** The error `busy` where one more job would be over a limit. */
export function checkRoom({ queued, queuedPerUser }: QueueLimits, { waiting, own, waitSeconds }: Crowd): void {
  if (waiting < queued && own < queuedPerUser) return
  const what = waiting >= queued ? `${waiting} jobs wait` : `${own} jobs of yours wait`
  const perJob = (waitSeconds ?? 1) / Math.max(waiting, 1)
  throw new StudioError('busy', `${what} already, which is the limit`, { retryAfterSeconds: Math.max(1, perJob) })
}
