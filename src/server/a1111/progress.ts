import { strftime } from '../../image/strftime.ts'
import type { Job, JobEvent } from '../../jobs/job.ts'
import { isEnded } from '../../jobs/job.ts'
import type { Run } from '../../runs/runs.ts'

/** The `state` of A1111's progress. */
export interface ProgressState {
  readonly skipped: boolean
  readonly interrupted: boolean
  readonly stopping_generation: boolean
  readonly job: string
  readonly job_count: number
  readonly job_timestamp: string
  readonly job_no: number
  readonly sampling_step: number
  readonly sampling_steps: number
}

const idle: ProgressState = {
  skipped: false,
  interrupted: false,
  stopping_generation: false,
  job: '',
  job_count: 0,
  job_timestamp: '0',
  job_no: 0,
  sampling_step: 0,
  sampling_steps: 0,
}

/** The reference has one job at a time; here it is the one that has been running longest. */
export class ProgressBoard {
  #running: Job[] = []
  #state = idle
  /** Jobs whose batches have a second pass. */
  #twofold = new Set<string>()

  /** The job that `progress`, `interrupt` and `skip` are about. */
  get current(): Job | undefined {
    return this.#running[0]
  }

  /** What was last known of the state; flags stay as they were until the next job begins. */
  get state(): ProgressState {
    return this.#state
  }

  follow(event: JobEvent): void {
    if (!('job' in event)) return
    const { job } = event
    const before = this.current?.id
    const others = this.#running.filter(({ id }) => id !== job.id)
    const isRunning = job.state === 'running' && !isEnded(job)
    // A job keeps its place in the order of starting.
    if (!isRunning) this.#twofold.delete(job.id)
    this.#running = isRunning
      ? this.#running.some(({ id }) => id === job.id)
        ? this.#running.map((each) => (each.id === job.id ? job : each))
        : [...this.#running, job]
      : others
    const now = this.current
    if (!now) this.#state = restOf(this.#state)
    else this.#state = { ...(now.id === before ? this.#state : idle), ...positionOf(now, this.#twofold.has(now.id)) }
  }

  /** Notes that the batches of a running job have two passes, which count as two. */
  noteHires(id: string): void {
    if (this.#running.some((job) => job.id === id)) this.#twofold.add(id)
  }

  /** Notes that the current job was asked to end early. */
  note(flag: 'interrupted' | 'skipped'): void {
    this.#state = { ...this.#state, [flag]: true }
  }

  /** Share of the current job that is done, and the seconds that are left, as the reference counts them. */
  get share(): { readonly progress: number; readonly eta_relative: number } {
    const progress = this.current?.progress
    const { job_count: count, job_no: number, sampling_step: step, sampling_steps: steps } = this.#state
    if (!progress || count === 0) return { progress: 0, eta_relative: 0 }
    const share = 0.01 + number / count + (steps > 0 ? step / steps / count : 0)
    return { progress: Math.min(share, 1), eta_relative: progress.elapsedSeconds / share - progress.elapsedSeconds }
  }
}

/** The `state` while an embedding is trained. */
export function trainingState({ progress, startedAt, isStopping }: Run): ProgressState {
  return {
    ...idle,
    interrupted: isStopping,
    job: 'train-embedding',
    job_count: progress?.total ?? -1,
    job_timestamp: startedAt ? strftime(startedAt, '%Y%m%d%H%M%S') : '0',
    job_no: progress?.step ?? 0,
  }
}

/** The share of a training that is done, as the reference counts it, and the seconds that are left. */
export function trainingShare({ progress }: Run): { readonly progress: number; readonly eta_relative: number } {
  if (!progress) return { progress: 0, eta_relative: 0 }
  return { progress: Math.min(1, 0.01 + progress.step / progress.total), eta_relative: progress.etaSeconds }
}

/** What the reference leaves behind when nothing runs any more: everything is done, and of how many steps. */
function restOf(state: ProgressState): ProgressState {
  return { ...state, job: '', job_no: Math.max(state.job_count, state.job_no), job_count: 0, sampling_step: 0 }
}

function positionOf({ progress, startedAt }: Job, isTwofold: boolean): Partial<ProgressState> {
  const job_timestamp = startedAt ? strftime(startedAt, '%Y%m%d%H%M%S') : '0'
  if (!progress) return { job_count: -1, job_timestamp }
  const { batch, batches, step, steps, pass } = progress
  const passes = isTwofold ? 2 : 1
  return {
    job: batches > 1 ? `Batch ${batch + 1} out of ${batches}` : '',
    job_count: batches * passes,
    job_timestamp,
    job_no: batch * passes + (isTwofold && pass === 'hires' ? 1 : 0),
    sampling_step: step,
    sampling_steps: steps,
  }
}
