import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { afterAll, beforeAll } from 'vitest'
import { Gallery } from '../../src/gallery/gallery.ts'
import { LocalQueue } from '../../src/jobs/localQueue.ts'
import { openStudio, type Studio } from '../../src/pipeline/studio.ts'
import { ErrandRunner } from '../../src/runs/datasetErrand.ts'
import { Runs } from '../../src/runs/runs.ts'
import { createApp } from '../../src/server/app.ts'
import { defaultSettings, type ServerSettings } from '../../src/server/settings.ts'
import { dataFolder } from '../parity/dataFolder.ts'
import { InProcessCrew } from './inProcessCrew.ts'

/** A server of the tests of one file, on the recorded models, with its worker in this process. */
export interface ContractServer {
  readonly app: FastifyInstance
  readonly studio: Studio
  readonly queue: LocalQueue
  readonly path: string
  readonly ends: string[]
}

/** Opens a server before the tests of a file and closes it after them; to be called where they are defined. */
export function contractServer(settings: Partial<ServerSettings> = {}): () => ContractServer {
  let server: ContractServer
  let close: () => Promise<void>
  beforeAll(async () => {
    const data = dataFolder()
    const folder = mkdtempSync(join(tmpdir(), 'athanor-contract-'))
    // The reference was recorded on a CPU, whose numbers its "GPU" noise therefore was.
    const studio = openStudio(data.path, { gpuNoise: 'cpu', threads: 1 })
    const queue = await LocalQueue.open({ folder, crew: new InProcessCrew(studio), log: console.error })
    const ends: string[] = []
    const gallery = new Gallery(join(folder, 'gallery.sqlite'), () => [])
    const services = {
      queue,
      studio,
      gallery,
      runs: new Runs({ dataDir: data.path, threads: 1, gpuNoise: 'cpu', machineLock: join(folder, 'training.lock') }),
      errands: new ErrandRunner(),
      settings: { ...defaultSettings, ...settings },
      shutDown: (how: string) => void ends.push(how),
    }
    const app = await createApp(services, pino({ level: 'silent' }))
    server = { app, studio, queue, path: data.path, ends }
    close = async () => {
      await app.close()
      await queue.close(0)
      await studio.close()
      gallery.close()
      data.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  })
  afterAll(() => close())
  return () => server
}

/** What a server answers. */
export async function ask({ app }: ContractServer, method: 'GET' | 'POST', url: string, body?: unknown) {
  const reply = await app.inject({
    method,
    url,
    ...(body !== undefined && body !== null && { payload: body as object }),
  })
  return { status: reply.statusCode, headers: reply.headers, answer: reply.json() as Record<string, unknown> }
}
