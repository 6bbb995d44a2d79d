import type { JobQueue } from '../../jobs/queue.ts'
import type { Studio } from '../../pipeline/studio.ts'
import type { Runs } from '../../runs/runs.ts'
import type { ServerSettings } from '../settings.ts'
import type { ServerOptions } from './options.ts'
import type { ProgressBoard } from './progress.ts'

/** What the routes of A1111's API share. */
export interface Context {
  readonly queue: JobQueue
  readonly studio: Studio
  readonly runs: Runs
  readonly settings: ServerSettings
  readonly options: ServerOptions
  readonly board: ProgressBoard
}
