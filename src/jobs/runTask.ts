import { StudioError } from '../errors.ts'
import type { EndedJob } from './job.ts'
import type { JobQueue, SubmitOptions } from './queue.ts'
import type { ResultOf, TaskKind, TaskOf } from './task.ts'

/** A job that is done, with what came of it. */
export interface Finished<K extends TaskKind> {
  readonly id: string
  readonly job: EndedJob<K>
  readonly result: ResultOf<K>
}

/**
 * Submits a task and waits for what comes of it. A job that fails or is cancelled is an error here. When `signal`
 * aborts, the job is cancelled: nobody would fetch its result.
 */
export async function runTask<K extends TaskKind>(
  queue: JobQueue,
  task: TaskOf<K> & { readonly kind: K },
  { signal, ...options }: SubmitOptions & { readonly signal?: AbortSignal } = {},
): Promise<Finished<K>> {
  const job = await queue.submit<K>(task, { onRestart: 'forget', ...options })
  try {
    const ended = await queue.ended(job, signal)
    if (ended.result !== undefined) return { id: ended.id, job: ended, result: ended.result }
    const { code, message, field } = ended.error ?? { code: 'cancelled', message: 'stopped on request' }
    throw new StudioError(code, message, { field })
  } catch (error) {
    // Whoever asked is gone; a job that ended in this very moment is just as well.
    if (signal?.aborted) await queue.cancel(job.id).catch(() => undefined)
    throw error
  }
}
