import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import { saveWhole } from '../image/save.ts'
import type { Order, Report, Work } from '../jobs/crew.ts'
import type { TaskKind, TaskOf } from '../jobs/task.ts'
import type { SkipRequest } from '../pipeline/job.ts'
import type { FromWorker, ToWorker } from './protocol.ts'
import type { JobContext, Runner, Runners, Workshop } from './runner.ts'

/** A job that runs, as orders reach it. */
export interface CurrentJob {
  readonly jobId: string
  readonly cancel: AbortController
  readonly interrupt: AbortController
  readonly skip: SkipRequest
}

/**
 * The life of a worker process: one job after the other, as its parent says, until the parent is gone. The runtime
 * computes on this thread, so orders are heard between two steps.
 */
export async function serve(open: () => Promise<Workshop> | Workshop): Promise<void> {
  if (!process.send) throw new Error('internal: a worker process is started by a server')
  // A parent that is gone cannot be told anything; `disconnect` then ends this process.
  const send = (message: FromWorker) => process.send?.(message, undefined, undefined, () => undefined)
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C in a terminal reaches the whole group; when to stop is the server's decision.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => undefined)

  let current: CurrentJob | undefined
  let workshop: Workshop
  try {
    workshop = await open()
  } catch (error) {
    send({ kind: 'unfit', message: error instanceof Error ? error.message : String(error) })
    process.disconnect()
    return
  }
  const beIdle = () =>
    send({ kind: 'idle', checkpoint: workshop.heldCheckpoint(), memoryBytes: process.memoryUsage.rss() })

  process.on('message', (message: ToWorker) => {
    if (message.kind === 'order') {
      if (message.jobId !== current?.jobId) return
      obey(current, message.order)
      return
    }
    const { jobId } = message
    const job = newJob(jobId)
    current = job
    runWork(workshop.runners, message, job, (report) => send({ kind: 'report', jobId, report })).finally(() => {
      current = undefined
      beIdle()
    })
  })
  beIdle()
}

export function newJob(jobId: string): CurrentJob {
  return { jobId, cancel: new AbortController(), interrupt: new AbortController(), skip: { isMade: false } }
}

export function obey({ cancel, interrupt, skip }: CurrentJob, order: Order): void {
  if (order === 'cancel') cancel.abort()
  else if (order === 'interrupt') interrupt.abort()
  else skip.isMade = true
}

/** Runs a job to its last report. */
export async function runWork(
  runners: Runners,
  work: Work,
  job: CurrentJob,
  report: (report: Report) => void,
): Promise<void> {
  const { task, folder, attempt } = work
  const context: JobContext = {
    signal: job.cancel.signal,
    interrupt: job.interrupt.signal,
    skip: job.skip,
    report,
    stage: async (name, bytes) => {
      await saveWhole(join(folder, String(attempt), name), bytes)
      return `${attempt}/${name}`
    },
  }
  try {
    report({ kind: 'done', result: await runTask(runners, task, context) })
  } catch (error) {
    if (error instanceof StudioError && error.code === 'cancelled') report({ kind: 'cancelled' })
    else report(failureOf(error))
  }
}

function runTask<K extends TaskKind>(runners: Runners, task: TaskOf<K> & { readonly kind: K }, context: JobContext) {
  const run: Runner<K> = runners[task.kind]
  return run(task, context)
}

function failureOf(error: unknown): Extract<Report, { kind: 'failed' }> {
  if (error instanceof StudioError) {
    const { code, message, field } = error
    return { kind: 'failed', error: { code, message, field }, stack: undefined }
  }
  const message = 'something went wrong inside; the log of the server tells more'
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { kind: 'failed', error: { code: 'crashed', message, field: undefined }, stack }
}
