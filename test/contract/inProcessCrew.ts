import { join } from 'node:path'
import { StudioError } from '../../src/errors.ts'
import { saveWhole } from '../../src/image/save.ts'
import type { Crew, CrewReports, Order, Work } from '../../src/jobs/crew.ts'
import type { WorkerStatus } from '../../src/jobs/queue.ts'
import type { TaskKind, TaskOf } from '../../src/jobs/task.ts'
import type { Studio } from '../../src/pipeline/studio.ts'
import type { JobContext, Runner } from '../../src/worker/runner.ts'
import { runnersOf } from '../../src/worker/runners.ts'

/** One worker in the process of the test: it starts at once and shares the test's models. */
export class InProcessCrew implements Crew {
  readonly #runners: ReturnType<typeof runnersOf>
  #reports: CrewReports | undefined
  #jobId: string | undefined
  #interrupt = new AbortController()
  #cancel = new AbortController()
  #skip = { isMade: false }

  constructor(studio: Studio) {
    this.#runners = runnersOf(studio)
  }

  get workers(): readonly WorkerStatus[] {
    const state = this.#jobId === undefined ? 'idle' : 'busy'
    return [{ id: '0', state, checkpoint: undefined, jobId: this.#jobId, memoryBytes: 0 }]
  }

  begin(reports: CrewReports): void {
    this.#reports = reports
    setImmediate(() => reports.idle('0'))
  }

  assign(_: string, { jobId, task, folder, attempt }: Work): void {
    this.#jobId = jobId
    this.#interrupt = new AbortController()
    this.#cancel = new AbortController()
    this.#skip = { isMade: false }
    const report: JobContext['report'] = (told) => this.#reports?.report(jobId, told)
    const context: JobContext = {
      signal: this.#cancel.signal,
      interrupt: this.#interrupt.signal,
      skip: this.#skip,
      report,
      stage: async (name, bytes) => {
        await saveWhole(join(folder, String(attempt), name), bytes)
        return `${attempt}/${name}`
      },
    }
    this.#run(task, context)
      .then(
        (result) => this.#reports?.report(jobId, { kind: 'done', result }),
        (error: unknown) => this.#reports?.report(jobId, failureOf(error)),
      )
      .finally(() => {
        this.#jobId = undefined
        this.#reports?.idle('0')
      })
  }

  async #run<K extends TaskKind>(task: TaskOf<K> & { readonly kind: K }, context: JobContext) {
    const run: Runner<K> = this.#runners[task.kind]
    return run(task, context)
  }

  order(_: string, order: Order): void {
    if (order === 'cancel') this.#cancel.abort()
    else if (order === 'interrupt') this.#interrupt.abort()
    else this.#skip.isMade = true
  }

  async close(): Promise<void> {
    this.#cancel.abort()
  }
}

function failureOf(error: unknown) {
  if (!(error instanceof StudioError)) throw error
  if (error.code === 'cancelled') return { kind: 'cancelled' } as const
  const { code, message, field } = error
  return { kind: 'failed', error: { code, message, field }, stack: undefined } as const
}
