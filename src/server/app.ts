import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import compress from '@fastify/compress'
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { EventLogs } from '../train/log/eventLogs.ts'
import { a1111 } from './a1111/plugin.ts'
import { tell } from './errorReply.ts'
import { parseJsonBody } from './jsonBody.ts'
import { nativeApi } from './native/plugin.ts'
import { addOpenApi } from './openApi.ts'
import { addOperations } from './operations/plugin.ts'
import { page } from './page.ts'
import { addSecurity } from './security/plugin.ts'
import type { Services } from './services.ts'
import type { ServerSettings } from './settings.ts'
import { tensorboardRoutes } from './tensorboard/tensorboardRoutes.ts'

const lastRepliesMs = 1000

/** Bytes below which compression costs more than it saves. */
const shortestCompressed = 1000

/** An HTTP server without routes: limits, errors, and security before everything. */
export async function plainApp(settings: ServerSettings, logger: FastifyBaseLogger): Promise<FastifyInstance> {
  const { limits, tls, keepAliveSeconds } = settings
  const app = fastify({
    loggerInstance: logger,
    logController: new fastify.LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: limits.bodyBytes,
    keepAliveTimeout: keepAliveSeconds * 1000,
    // A body that trickles in for longer is an attack.
    requestTimeout: limits.bodySeconds * 1000,
    return503OnClosing: true,
    // Streams and waiting calls end with the queue; what is idle then need not hold up the end.
    forceCloseConnections: 'idle',
    ...(tls && { https: tls }),
    ajv: { customOptions: { removeAdditional: false, allErrors: false } },
    rewriteUrl: ({ url = '/' }: IncomingMessage) => withoutPrefix(url, settings.subpath),
  })

  // Replies that are on their way get this long; a connection that nobody uses any more ends with it.
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), lastRepliesMs).unref()
  })
  app.setErrorHandler(async (error, request, reply) => {
    const { status, retryAfterSeconds, ...told } = tell(error)
    if (status >= 500) request.log.error({ err: error, requestId: request.id }, 'a request failed')
    if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
    return reply.code(status).send({ error: { ...told, requestId: request.id } })
  })
  app.setNotFoundHandler(async (_, reply) =>
    reply.code(404).send({ error: { code: 'not-found', message: 'there is nothing at this address' } }),
  )
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_: unknown, text: string) =>
    text === '' ? undefined : parseJsonBody(text, limits.jsonDepth),
  )

  await addSecurity(app, settings)
  return app
}

/**
 * The studio's server, not yet listening: security first, then what watches it, the native API and A1111's. Every plugin
 * is given what it needs as its options; nothing is decorated.
 */
export async function createApp(services: Services, logger: FastifyBaseLogger): Promise<FastifyInstance> {
  const { settings, runs } = services
  const app = await plainApp(settings, logger)
  await app.register(compress, { threshold: shortestCompressed, encodings: ['gzip', 'identity'] })
  await addOperations(app, services)
  await addOpenApi(app, settings)
  await app.register(nativeApi, services)
  if (settings.hasA1111Api) await app.register(a1111, services)
  await app.register(tensorboardRoutes, { prefix: '/tensorboard', logs: new EventLogs(runs.logFolder) })
  if (settings.hasPage) {
    await app.register(page, { subpath: settings.subpath, start: settings.startPage, hasOthers: true })
  }
  return app
}

function withoutPrefix(url: string, prefix: string): string {
  if (prefix === '' || !url.startsWith(prefix)) return url
  const rest = url.slice(prefix.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}
