// A server on an engine that computes nothing, which a test may kill at any instant: `killedServer.ts DATA_FOLDER WORKER`.
// It prints its address.
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { openStudio } from '../../src/pipeline/studio.ts'
import { defaultSettings } from '../../src/server/settings.ts'
import { startServer } from '../../src/server/start.ts'
import { ProcessCrew } from '../../src/worker/processCrew.ts'

const [, , dataDir = '', worker = ''] = process.argv
const studio = openStudio(dataDir, { threads: 1 })
const crew = new ProcessCrew({
  workers: ['0', '1'].map((id) => ({ id, arguments: { dataDir } })),
  entry: pathToFileURL(worker),
})
const { url } = await startServer({
  settings: { ...defaultSettings, port: 0 },
  studio,
  crew,
  logger: pino({ level: 'error' }, pino.destination(2)),
  limits: { queued: 10_000, queuedPerUser: 10_000 },
  graceSeconds: 0,
  threads: 1,
  shutDown: () => process.exit(0),
})
process.stdout.write(`${url}\n`)
