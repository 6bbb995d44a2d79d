import type { WireEvent, WireJob, WirePicture } from '../../../src/server/native/schemas.ts'

/** The jobs of the server as they were told last, in the order of its list: running, waiting, ended. */
export type Jobs = readonly WireJob[]

/** A picture with the job that made it. */
export interface JobPicture {
  readonly job: WireJob
  readonly picture: WirePicture
}

/** Events after which the list has to be asked for again: they say that something changed, not what. */
export function needsReload({ kind }: WireEvent): boolean {
  return kind === 'reordered' || kind === 'gap'
}

/** The jobs after an event. */
export function afterEvent(jobs: Jobs, { job, picture }: WireEvent): Jobs {
  if (!job) return jobs
  const before = jobs.find(({ id }) => id === job.id)
  // A job lists its pictures when it is done; until then they come one by one. A new attempt begins anew.
  const made = isEnded(job) || job.attempts !== before?.attempts ? job.pictures : before.pictures
  const pictures = picture ? [...made.filter(({ index }) => index !== picture.index), picture] : made
  const now = { ...job, pictures: [...pictures].sort((a, b) => a.index - b.index) }
  return before ? jobs.map((each) => (each.id === job.id ? now : each)) : [...jobs, now]
}

export function isEnded({ state }: WireJob): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

export const runningOf = (jobs: Jobs): Jobs => jobs.filter(({ state }) => state === 'running')
export const waitingOf = (jobs: Jobs): Jobs => jobs.filter(({ state }) => state === 'queued')

/** Ended jobs, the last one first. */
export function endedOf(jobs: Jobs): Jobs {
  return jobs.filter(isEnded).sort((a, b) => (b.endedAt ?? '').localeCompare(a.endedAt ?? ''))
}

/** Pictures of all jobs, the newest job first. */
export function picturesOf(jobs: Jobs): readonly JobPicture[] {
  return [...runningOf(jobs), ...endedOf(jobs)].flatMap((job) => job.pictures.map((picture) => ({ job, picture })))
}

/** The job to put before when a waiting job is moved up by one, or down; undefined where it cannot move. */
export function neighbour(waiting: Jobs, id: string, way: 'up' | 'down'): { before: string | null } | undefined {
  const at = waiting.findIndex((job) => job.id === id)
  const target = way === 'up' ? at - 1 : at + 2
  if (at < 0 || target < 0 || target > waiting.length) return undefined
  return { before: waiting[target]?.id ?? null }
}
