import { create } from 'zustand'
import type { WireEvent, WireJob, WireModels } from '../../../src/server/native/schemas.ts'
import { ApiError, api } from '../api/client.ts'
import { change, useForm } from './formStore.ts'
import { afterEvent, type Jobs, needsReload, neighbour, runningOf, waitingOf } from './jobs.ts'
import { controlOf, formDefaults, formOf, type RecipeForm, requestOf } from './recipeForm.ts'

/** Something that went wrong, for the person in front of the page. */
export interface Trouble {
  readonly code: string
  readonly message: string
  readonly control: keyof RecipeForm | undefined
}

/** Which picture of which job is shown large; undefined follows what runs. */
export interface Choice {
  readonly jobId: string
  readonly index: number
}

interface StudioState {
  readonly models: WireModels | undefined
  readonly jobs: Jobs
  readonly isPaused: boolean
  readonly isConnected: boolean
  readonly trouble: Trouble | undefined
  readonly choice: Choice | undefined
}

/** What the page knows of the server. */
export const useStudio = create<StudioState>(() => ({
  models: undefined,
  jobs: [],
  isPaused: false,
  isConnected: true,
  trouble: undefined,
  choice: undefined,
}))

const { setState, getState } = useStudio

/** Runs what talks to the server; what goes wrong is shown. */
async function attempt(action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const { code, message, field } = error
    setState({ trouble: { code, message, control: field === undefined ? undefined : controlOf(field) } })
  }
}

export const loadModels = () =>
  attempt(async () => {
    const models = await api.models()
    setState({ models })
    const { checkpoint } = useForm.getState()
    const known = models.checkpoints.some(({ title }) => title === checkpoint)
    // A title has the hash once that is known: the same file under a longer name.
    const renamed = models.checkpoints.find(({ name }) => checkpoint.startsWith(name))
    const usual = models.checkpoints.find(({ title }) => title === models.selected) ?? models.checkpoints[0]
    if (!known) chooseCheckpoint((renamed ?? usual)?.title ?? '')
  })

/** Side in pixels of the pictures that a checkpoint was trained on, or what is usual where it does not say. */
export function nativeSizeOf(models: WireModels | undefined, title: string): number {
  return models?.checkpoints.find((each) => each.title === title)?.nativeSize ?? formDefaults.width
}

/** Takes a checkpoint, and its own size where the size was that of the one before. */
export function chooseCheckpoint(title: string): void {
  const sizeOf = (wanted: string) => nativeSizeOf(getState().models, wanted)
  const { checkpoint, width, height } = useForm.getState()
  const [before, own] = [sizeOf(checkpoint), sizeOf(title)]
  const isUntouched = width === before && height === before
  change({ checkpoint: title, ...(isUntouched && { width: own, height: own }) })
}

const loadJobs = () =>
  attempt(async () => {
    const [jobs, { isPaused }] = await Promise.all([api.jobs(), api.queue()])
    setState({ jobs, isPaused })
  })

/** Asks for everything there is and listens to what changes. The list is asked for anew whenever events may be missed. */
export function startStudio(): void {
  loadModels()
  const events = new EventSource(api.eventsUrl)
  events.onopen = () => {
    setState({ isConnected: true })
    loadJobs()
  }
  events.onerror = () => setState({ isConnected: false })
  for (const kind of eventKinds) {
    events.addEventListener(kind, ({ data }: MessageEvent<string>) => take(JSON.parse(data) as WireEvent))
  }
}

const eventKinds = [
  ...['queued', 'started', 'requeued', 'step', 'picture', 'done', 'failed', 'cancelled'],
  ...['reordered', 'paused', 'resumed', 'gap'],
] as const

function take(event: WireEvent): void {
  setState(({ jobs }) => ({ jobs: afterEvent(jobs, event) }))
  if (event.kind === 'paused' || event.kind === 'resumed') setState({ isPaused: event.kind === 'paused' })
  if (needsReload(event)) loadJobs()
  if (event.kind === 'failed' && event.job?.error) {
    const { code, message, field } = event.job.error
    setState({ trouble: { code, message, control: field === null ? undefined : controlOf(field) } })
  }
}

/** Submits what the form asks for. */
export const generate = () =>
  attempt(async () => {
    setState({ trouble: undefined })
    const job = await api.submit(requestOf(useForm.getState()))
    setState(({ jobs }) => ({ choice: undefined, jobs: jobs.some(({ id }) => id === job.id) ? jobs : [...jobs, job] }))
  })

export const endJob = (id: string, how: 'cancel' | 'interrupt' | 'skip') =>
  attempt(async () => {
    await api.end(id, how)
  })

/** Interrupts or skips what runs, if anything does. */
export function endRunning(how: 'interrupt' | 'skip'): void {
  const job = runningOf(getState().jobs)[0]
  if (job) endJob(job.id, how)
}

export const moveJob = (id: string, way: 'up' | 'down') =>
  attempt(async () => {
    const target = neighbour(waitingOf(getState().jobs), id, way)
    if (target) await api.moveBefore(id, target.before)
  })

export const setPaused = (isPaused: boolean) =>
  attempt(async () => {
    const queue = await (isPaused ? api.pause() : api.resume())
    setState({ isPaused: queue.isPaused })
  })

/** Fills the form from what a picture says about itself. */
export const reuseInfotext = (infotext: string) =>
  attempt(async () => {
    const { request, checkpoint } = await api.readInfotext(infotext)
    const known = getState().models?.checkpoints.find(({ title }) => title === checkpoint)
    change({ ...formOf(request), ...(known && { checkpoint: known.title }) })
    setState({ trouble: undefined })
  })

export function choose(choice: Choice | undefined): void {
  setState({ choice })
}

export function dismissTrouble(): void {
  setState({ trouble: undefined })
}

/** The job on the stage: the chosen one, else what runs, else what ended or was submitted last. */
export function shownJob({ jobs, choice }: Pick<StudioState, 'jobs' | 'choice'>): WireJob | undefined {
  const chosen = choice && jobs.find(({ id }) => id === choice.jobId)
  const newest = (list: Jobs) => [...list].sort((a, b) => b.submittedAt.localeCompare(a.submittedAt))[0]
  return chosen ?? runningOf(jobs)[0] ?? newest(jobs.filter(({ pictures }) => pictures.length > 0)) ?? newest(jobs)
}
