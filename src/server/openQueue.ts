import { join } from 'node:path'
import { StudioError } from '../errors.ts'
import type { Crew } from '../jobs/crew.ts'
import { FleetQueue } from '../jobs/fleet/fleetQueue.ts'
import type { JobFiles } from '../jobs/jobFiles.ts'
import { LocalQueue } from '../jobs/localQueue.ts'
import type { JobQueue, QueueLimits } from '../jobs/queue.ts'

export interface QueueParts {
  readonly dataDir: string
  /** Workers of this machine; undefined for none. */
  readonly crew: Crew | undefined
  readonly limits: QueueLimits
  /** Where several machines meet; undefined for a queue of this machine alone. */
  readonly fleet: { readonly url: string; readonly files: JobFiles } | undefined
  readonly log: (message: string, error: unknown) => void
}

/** The queue of a server: a journal in its data folder, or one in Redis that it shares with other machines. */
export async function openQueue({ dataDir, crew, limits, fleet, log }: QueueParts): Promise<JobQueue> {
  if (fleet) {
    const { url, files } = fleet
    return FleetQueue.open({ redis: { url, dataDir, log }, files, crew, limits })
  }
  if (!crew) throw new StudioError('bad-request', '--workers 0: without --queue nobody would do the work')
  return LocalQueue.open({ folder: join(dataDir, 'jobs'), crew, limits, log })
}
