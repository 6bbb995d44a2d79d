import { Command } from 'commander'
import { StudioError } from '../errors.ts'
import { addLogOptions, crewOf, type LogOptions, loggerOf } from './crewOptions.ts'
import { addFleetOptions, type FleetOptions, fleetOf } from './fleetOptions.ts'
import { onInterrupt } from './interrupt.ts'
import { atLeast, wholeNumber } from './numbers.ts'
import { addStudioOptions, type StudioOptions, studioOf } from './studioOptions.ts'

interface WorkerOptions extends StudioOptions, FleetOptions, LogOptions {
  readonly workers: number
  readonly graceSeconds: number
}

/** `worker`: a machine that makes pictures for servers elsewhere. */
export function workerCommand(): Command {
  const command = new Command('worker')
    .description('Make pictures for the servers that share a queue. Nothing listens here.')
    .optionsGroup('Work:')
    .option('--workers <n>', 'processes that make pictures, each on its share of the cores', atLeast(1), 1)
    .option('--grace-seconds <n>', 'how long a job may take to finish when it is stopped', wholeNumber, 30)
  addFleetOptions(command)
  addLogOptions(command)
  addStudioOptions(command)
  return command.action(run)
}

async function run(options: WorkerOptions): Promise<void> {
  const [logger, { Hand }] = await Promise.all([loggerOf(options), import('../jobs/fleet/hand.ts')])
  const studio = studioOf(options)
  const fleet = await fleetOf(options, studio.dataDir)
  if (!fleet) {
    throw new StudioError('bad-request', '--queue: expected the address of the queue to work for', { field: '--queue' })
  }
  const hand = await Hand.open({
    redis: {
      url: fleet.url,
      dataDir: studio.dataDir,
      log: (message, error) => logger.error(error instanceof Error ? error : { error }, message),
    },
    crew: crewOf(studio, options, (message) => logger.warn(message)),
    files: fleet.files,
  })
  const stop = onInterrupt()
  // Launchers wait for this line. The address may hold a password.
  process.stdout.write(`Working for the queue of ${new URL(fleet.url).host}\n`)
  if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }))
  logger.info('stopping: what runs may finish; a second Ctrl-C ends at once')
  await hand.close(options.graceSeconds)
  await studio.close()
}
