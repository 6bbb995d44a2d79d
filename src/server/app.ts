import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { a1111 } from './a1111/plugin.ts'
import { tell } from './errorReply.ts'
import type { Services } from './services.ts'

/**
 * The HTTP server, not yet listening: security first, then what watches it, the native API and A1111's. Every plugin is
 * given what it needs as its options; nothing is decorated.
 */
export async function createApp(services: Services, logger: FastifyBaseLogger): Promise<FastifyInstance> {
  const { settings } = services
  const { limits, tls, keepAliveSeconds } = settings
  const app = fastify({
    loggerInstance: logger,
    bodyLimit: limits.bodyBytes,
    keepAliveTimeout: keepAliveSeconds * 1000,
    ...(tls && { https: tls }),
  })

  app.setErrorHandler(async (error, request, reply) => {
    const { status, retryAfterSeconds, ...told } = tell(error)
    if (status >= 500) request.log.error(error)
    if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
    return reply.code(status).send({ error: { ...told, requestId: request.id } })
  })
  app.setNotFoundHandler(async (_, reply) =>
    reply.code(404).send({ error: { code: 'not-found', message: 'there is nothing at this address' } }),
  )

  if (settings.hasA1111Api) await app.register(a1111, services)
  return app
}
