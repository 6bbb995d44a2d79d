import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { follow } from '../../src/gallery/follow.ts'
import { Gallery } from '../../src/gallery/gallery.ts'
import { LocalQueue } from '../../src/jobs/localQueue.ts'
import type { QueueLimits } from '../../src/jobs/queue.ts'
import { openStudio, type Studio } from '../../src/pipeline/studio.ts'
import { ErrandRunner } from '../../src/runs/datasetErrand.ts'
import { Runs } from '../../src/runs/runs.ts'
import { createApp } from '../../src/server/app.ts'
import { defaultSettings, type ServerSettings } from '../../src/server/settings.ts'
import { dataFolder } from '../parity/dataFolder.ts'
import { InlineCrew } from './inlineCrew.ts'

/** A server on an engine that computes nothing, over the recorded models. */
export interface TestServer {
  readonly app: FastifyInstance
  readonly queue: LocalQueue
  readonly crew: InlineCrew
  readonly studio: Studio
  readonly gallery: Gallery
  readonly outputs: string
  /** What the log was told. */
  readonly log: readonly string[]
  close(): Promise<void>
}

export async function testServer(
  settings: Partial<ServerSettings> = {},
  { workers = 1, limits }: { readonly workers?: number; readonly limits?: QueueLimits } = {},
): Promise<TestServer> {
  const data = dataFolder()
  const studio = openStudio(data.path, { gpuNoise: 'cpu', threads: 1 })
  const outputs = join(data.path, 'outputs')
  const crew = new InlineCrew(outputs, workers)
  const gallery = new Gallery(join(data.path, 'cache', 'gallery.sqlite'), () => [join(outputs, 'txt2img-images')])
  const queue = await LocalQueue.open({ folder: join(data.path, 'jobs'), crew, ...(limits && { limits }) })
  follow(queue, gallery, (_, error) => {
    throw error
  })
  const log: string[] = []
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(line) })
  const machineLock = join(data.path, 'training.lock')
  const runs = new Runs({ dataDir: data.path, threads: 1, gpuNoise: 'cpu', machineLock })
  const services = {
    queue,
    studio,
    gallery,
    runs,
    errands: new ErrandRunner(),
    settings: { ...defaultSettings, ...settings },
    shutDown: () => undefined,
  }
  const app = await createApp(services, logger)
  await app.ready()
  const close = async () => {
    await queue.close()
    await app.close()
    gallery.close()
    await studio.close()
    data.remove()
  }
  return { app, queue, crew, studio, gallery, outputs, log, close }
}

/** A request that the stub engine takes. */
export function submission(prompt: string, body: object = {}) {
  return { endpoint: 'txt2img', request: { prompt, steps: 2, width: 64, height: 64, seed: 7, ...body } }
}
