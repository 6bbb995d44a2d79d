import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { StudioError } from '../errors.ts'
import type { JobFiles } from '../jobs/jobFiles.ts'

/** Options of the commands by which machines meet. */
export interface FleetOptions {
  readonly queue?: string
  readonly images?: string
}

export function addFleetOptions(command: Command): Command {
  const group = 'Several machines:'
  return command
    .addOption(
      new Option('--queue <url>', 'the Redis or Valkey where machines meet, redis://HOST:PORT')
        .env('ATHANOR_QUEUE')
        .helpGroup(group),
    )
    .addOption(
      new Option(
        '--images <url>',
        'with --queue: pictures in a bucket, s3://BUCKET/PREFIX, not in a shared data folder',
      )
        .env('ATHANOR_IMAGES')
        .helpGroup(group),
    )
}

/** Where the machines of a fleet meet and keep their files; undefined for a machine on its own. */
export async function fleetOf(
  { queue, images }: FleetOptions,
  dataDir: string,
): Promise<{ readonly url: string; readonly files: JobFiles } | undefined> {
  if (queue !== undefined) return { url: queue, files: await filesOf(images, dataDir) }
  if (images === undefined) return undefined
  throw new StudioError('bad-request', '--images: means something with --queue only', { field: '--images' })
}

async function filesOf(images: string | undefined, dataDir: string): Promise<JobFiles> {
  if (images !== undefined) {
    const { BucketFiles } = await import('../jobs/fleet/bucketFiles.ts')
    return BucketFiles.open({ url: images, environment: process.env }, dataDir)
  }
  const { FolderFiles } = await import('../jobs/jobFiles.ts')
  return new FolderFiles(join(dataDir, 'jobs'))
}
