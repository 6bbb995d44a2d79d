import { existsSync } from 'node:fs'
import { openStudio } from '../../src/pipeline/studio.ts'
import { createLogger } from '../../src/server/operations/logger.ts'
import { defaultSettings } from '../../src/server/settings.ts'
import { startServer } from '../../src/server/start.ts'
import { ProcessCrew } from '../../src/worker/processCrew.ts'
import { dataFolder } from '../parity/dataFolder.ts'

/** Where systems keep a Chromium. */
const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The browser of this machine, where there is one. */
export const chromiumPath = places.find((path) => path !== undefined && existsSync(path))

/** A server on the tiny checkpoints with a worker process, on a port of its own. */
export async function startStudioServer(): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const data = dataFolder()
  const engine = { gpuNoise: 'cpu', threads: 1 } as const
  const studio = openStudio(data.path, engine)
  const server = await startServer({
    settings: { ...defaultSettings, port: 0 },
    studio,
    crew: new ProcessCrew({ workers: [{ id: '0', arguments: { dataDir: data.path, ...engine } }] }),
    logger: createLogger('error', 'text'),
    limits: { queued: 100, queuedPerUser: 100 },
    graceSeconds: 0,
    shutDown: () => undefined,
  })
  const close = async () => {
    await server.close()
    await studio.close()
    data.remove()
  }
  return { url: server.url, close }
}
