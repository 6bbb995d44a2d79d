// A machine of a fleet on an engine that computes nothing, which a test may kill at any instant:
// `fleetNode.ts server|worker DATA_FOLDER REDIS WORKER CACHE_FOLDER`. A server prints its address, a worker a line.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { Hand } from '../../src/jobs/fleet/hand.ts'
import { FolderFiles } from '../../src/jobs/jobFiles.ts'
import { openStudio } from '../../src/pipeline/studio.ts'
import { defaultSettings } from '../../src/server/settings.ts'
import { startServer } from '../../src/server/start.ts'
import { ProcessCrew } from '../../src/worker/processCrew.ts'

const [, , role = '', dataDir = '', url = '', worker = '', cacheDir = ''] = process.argv
const files = new FolderFiles(join(dataDir, 'jobs'))

if (role === 'server') {
  const server = await startServer({
    settings: { ...defaultSettings, port: 0, cacheDir },
    studio: openStudio(dataDir, { threads: 1 }),
    crew: undefined,
    fleet: { url, files },
    logger: pino({ level: 'fatal' }, pino.destination(2)),
    limits: { queued: 10_000, queuedPerUser: 10_000 },
    graceSeconds: 0,
    threads: 1,
    shutDown: () => process.exit(0),
  })
  process.stdout.write(`${server.url}\n`)
} else {
  const crew = new ProcessCrew({
    workers: ['0', '1'].map((id) => ({ id, arguments: { dataDir } })),
    entry: pathToFileURL(worker),
  })
  await Hand.open({ redis: { url, dataDir, lease: { seconds: 5 } }, crew, files })
  process.stdout.write('working\n')
}
