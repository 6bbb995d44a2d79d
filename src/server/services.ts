import type { Gallery } from '../gallery/gallery.ts'
import type { JobQueue } from '../jobs/queue.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { ErrandRunner } from '../runs/datasetErrand.ts'
import type { Runs } from '../runs/runs.ts'
import type { ServerSettings } from './settings.ts'

/** What routes work with. Plugins get it as their options, so that a signature shows what a route needs. */
export interface Services {
  readonly queue: JobQueue
  /** The data folder: its options, its lists of models. Nothing is computed with it here; that is for the workers. */
  readonly studio: Studio
  /** Pictures that were saved. */
  readonly gallery: Gallery
  /** Trainings, which have processes of their own. */
  readonly runs: Runs
  /** Long work on sets of pictures, in a process of its own. */
  readonly errands: ErrandRunner
  readonly settings: ServerSettings
  /** Ends the server: `stop` after what runs has finished, `kill` at once, `restart` in order to come back. */
  readonly shutDown: (how: 'stop' | 'kill' | 'restart') => void
}
