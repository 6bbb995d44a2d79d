import type { Crew, CrewReports, Order, Work } from '../../src/jobs/crew.ts'
import type { WorkerStatus } from '../../src/jobs/queue.ts'
import type { Studio } from '../../src/pipeline/studio.ts'
import { runnersOf } from '../../src/worker/runners.ts'
import { type CurrentJob, newJob, obey, runWork } from '../../src/worker/serve.ts'

/** One worker in the process of the test: it starts at once and shares the test's models. */
export class InProcessCrew implements Crew {
  readonly #runners: ReturnType<typeof runnersOf>
  #reports: CrewReports | undefined
  #job: CurrentJob | undefined

  constructor(studio: Studio) {
    this.#runners = runnersOf(studio)
  }

  get workers(): readonly WorkerStatus[] {
    const state = this.#job ? 'busy' : 'idle'
    return [{ id: '0', state, checkpoint: undefined, jobId: this.#job?.jobId, memoryBytes: 0 }]
  }

  begin(reports: CrewReports): void {
    this.#reports = reports
    setImmediate(() => reports.idle('0'))
  }

  assign(id: string, work: Work): void {
    const job = newJob(work.jobId)
    this.#job = job
    runWork(this.#runners, work, job, (report) => this.#reports?.report(id, work.jobId, report)).finally(() => {
      this.#job = undefined
      this.#reports?.idle(id)
    })
  }

  order(_: string, jobId: string, order: Order): void {
    if (this.#job?.jobId === jobId) obey(this.#job, order)
  }

  async close(): Promise<void> {
    this.#job?.cancel.abort()
  }
}
