import { join, resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { StudioError } from '../errors.ts'
import { follow } from '../gallery/follow.ts'
import { Gallery } from '../gallery/gallery.ts'
import { scan } from '../gallery/scan.ts'
import type { Studio } from '../pipeline/studio.ts'
import { ErrandRunner } from '../runs/datasetErrand.ts'
import { Runs } from '../runs/runs.ts'
import { createApp } from './app.ts'
import { openQueue, type QueueParts } from './openQueue.ts'
import type { Services } from './services.ts'
import type { ServerSettings } from './settings.ts'
import { tensorboardApp } from './tensorboard/tensorboardApp.ts'

export interface ServerParts extends Pick<QueueParts, 'crew' | 'limits'> {
  readonly settings: ServerSettings
  readonly studio: Studio
  readonly fleet?: QueueParts['fleet']
  readonly logger: Logger
  /** How long what runs may take to finish when the server is stopped. */
  readonly graceSeconds: number
  /** Threads that a training computes with. */
  readonly threads: number
  readonly shutDown: Services['shutDown']
}

/** A server that listens. */
export interface RunningServer {
  readonly app: FastifyInstance
  readonly url: string
  /** Where curves are shown, where that is elsewhere. */
  readonly curvesUrl: string | undefined
  /** Lets what runs finish for a while, writes the rest down, and ends. */
  close(): Promise<void>
}

/** Opens queue and gallery of the data folder, and listens. */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { settings, studio, crew, limits, fleet, logger, graceSeconds, threads, shutDown } = parts
  const stop = new AbortController()
  const cacheDir = settings.cacheDir ?? join(studio.dataDir, 'cache')
  const gallery = new Gallery(
    join(cacheDir, 'gallery.sqlite'),
    () => outputFolders(studio),
    async (path) => fleet?.files.deleted(path),
  )
  const log = (message: string, error: unknown) => logger.error(error instanceof Error ? error : { error }, message)
  const queue = await openQueue({ dataDir: studio.dataDir, crew, limits, fleet, log })
  follow(queue, gallery, log)
  const bringUpToDate = async () => {
    await fleet?.files.fetchAllSaved(stop.signal)
    await scan(gallery, stop.signal)
  }
  bringUpToDate().catch((error) => log('the gallery could not be read', error))

  const runs = new Runs({ dataDir: studio.dataDir, threads, gpuNoise: studio.gpuNoise })
  const errands = new ErrandRunner()
  const app = await createApp({ queue, studio, gallery, runs, errands, settings, shutDown }, logger)
  const { tensorboard } = settings
  const curves = tensorboard && (await tensorboardApp(settings, tensorboard, logger))
  const close = async () => {
    stop.abort()
    await queue.close(graceSeconds)
    await app.close()
    await curves?.close()
    gallery.close()
  }
  try {
    const url = await app.listen({ host: settings.host, port: settings.port })
    const curvesUrl = tensorboard && (await curves?.listen({ host: tensorboard.host, port: tensorboard.port }))
    return { app, url, curvesUrl, close }
  } catch (cause) {
    await close()
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    const { port } = cause as { readonly port?: number }
    const isCurves = tensorboard !== undefined && port === tensorboard.port
    const flag = isCurves ? '--tensorboard-port' : '--port'
    throw new StudioError('conflict', `port ${port ?? settings.port} is taken; ${flag} chooses another`, { cause })
  }
}

/** Where pictures are saved. */
function outputFolders({ dataDir, options }: Studio): readonly string[] {
  const { outdir_samples, outdir_txt2img_samples, outdir_img2img_samples, outdir_grids } = options
  const { outdir_txt2img_grids, outdir_img2img_grids } = options
  const named = [outdir_samples, outdir_txt2img_samples, outdir_img2img_samples, outdir_grids]
  const folders = [...named, outdir_txt2img_grids, outdir_img2img_grids].filter((folder) => folder !== '')
  return [...new Set(folders.map((folder) => resolve(dataDir, folder)))]
}
