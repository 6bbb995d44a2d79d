import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { EventLogs } from '../../train/log/eventLogs.ts'
import { plainApp } from '../app.ts'
import { page } from '../page.ts'
import type { ServerSettings, TensorboardSettings } from '../settings.ts'
import { tensorboardRoutes } from './tensorboardRoutes.ts'

/**
 * A server of its own for curves, where people expect TensorBoard: a light page, and the data that TensorBoard's clients
 * ask for. Whoever may use the studio may look; nothing can be changed here.
 */
export async function tensorboardApp(
  settings: ServerSettings,
  { host, port, folder }: TensorboardSettings,
  logger: FastifyBaseLogger,
): Promise<FastifyInstance> {
  const app = await plainApp({ ...settings, host, port, subpath: '' }, logger)
  await app.register(tensorboardRoutes, { logs: new EventLogs(folder) })
  await app.register(page, { subpath: '', start: 'tensorboard.html', hasOthers: false })
  return app
}
