import type { FastifyPluginAsync } from 'fastify'
import type { Services } from '../services.ts'
import { captionRoutes } from './captionRoutes.ts'
import { datasetRoutes } from './datasetRoutes.ts'
import { eventRoutes } from './eventRoutes.ts'
import { Feed } from './feed.ts'
import { imageRoutes } from './imageRoutes.ts'
import { jobRoutes } from './jobRoutes.ts'
import { promptRoutes } from './promptRoutes.ts'
import { runRoutes } from './runRoutes.ts'
import { named } from './schemas.ts'
import { studioRoutes } from './studioRoutes.ts'
import { trainingSchemas } from './trainingSchemas.ts'
import { Wire } from './wire.ts'

/** This program's own API, below `/api/v1`. */
export const nativeApi: FastifyPluginAsync<Services> = async (app, services) => {
  for (const schema of [...named, ...trainingSchemas]) app.addSchema(schema)
  const wire = new Wire(services.settings.subpath, services.gallery)
  const feed = new Feed(services.queue, wire)
  // Streams never end by themselves: they would keep a closing server waiting.
  app.addHook('preClose', async () => feed.close())
  const native = { ...services, wire, feed, prefix: '/api/v1' }
  await app.register(jobRoutes, native)
  await app.register(eventRoutes, native)
  await app.register(imageRoutes, native)
  await app.register(studioRoutes, native)
  await app.register(promptRoutes, native)
  await app.register(datasetRoutes, native)
  await app.register(captionRoutes, native)
  await app.register(runRoutes, native)
}
