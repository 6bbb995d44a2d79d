import type { Crew, CrewReports, Order, Work } from '../../src/jobs/crew.ts'
import type { WorkerStatus } from '../../src/jobs/queue.ts'
import { checkpointOf } from '../../src/jobs/task.ts'
import { type CurrentJob, newJob, obey, runWork } from '../../src/worker/serve.ts'
import { stubRunners } from './stubRunner.ts'

interface Member {
  readonly id: string
  state: WorkerStatus['state']
  checkpoint: string | undefined
  job: CurrentJob | undefined
}

/** Workers that live in this process, on the stub engine. `died` makes one die as a process does: without a word. */
export class InlineCrew implements Crew {
  readonly ran: { readonly jobId: string; readonly workerId: string; readonly attempt: number }[] = []
  readonly #members: readonly Member[]
  readonly #outputs: string
  #reports: CrewReports | undefined

  constructor(outputs: string, count = 1) {
    this.#outputs = outputs
    this.#members = Array.from({ length: count }, (_, i) => ({
      id: String(i),
      state: 'idle',
      checkpoint: undefined,
      job: undefined,
    }))
  }

  get workers(): readonly WorkerStatus[] {
    return this.#members.map(({ id, state, checkpoint, job }) => ({
      id,
      state,
      checkpoint,
      jobId: job?.jobId,
      memoryBytes: 0,
    }))
  }

  begin(reports: CrewReports): void {
    this.#reports = reports
  }

  assign(workerId: string, work: Work): void {
    const member = this.#member(workerId)
    if (member.state !== 'idle') throw new Error(`a job for a worker that is ${member.state}`)
    const job = newJob(work.jobId)
    Object.assign(member, { state: 'busy', job, checkpoint: checkpointOf(work.task) })
    this.ran.push({ jobId: work.jobId, workerId, attempt: work.attempt })
    let isDead = false
    const runners = stubRunners(this.#outputs, () => {
      isDead = true
      this.#reports?.died(workerId, work.jobId, 'SIGKILL')
    })
    runWork(runners, work, job, (report) => {
      if (!isDead) this.#reports?.report(workerId, work.jobId, report)
    }).finally(() => {
      Object.assign(member, { state: 'idle', job: undefined })
      this.#reports?.idle(workerId)
    })
  }

  order(workerId: string, jobId: string, order: Order): void {
    const { job } = this.#member(workerId)
    if (job?.jobId === jobId) obey(job, order)
  }

  async close(): Promise<void> {
    for (const member of this.#members) {
      member.state = 'stopped'
      member.job?.cancel.abort()
    }
    this.#reports = undefined
  }

  #member(id: string): Member {
    const member = this.#members.find((each) => each.id === id)
    if (!member) throw new Error(`no worker ${id}`)
    return member
  }
}
