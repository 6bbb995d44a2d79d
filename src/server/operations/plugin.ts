import type { FastifyInstance } from 'fastify'
import type { Services } from '../services.ts'
import { watch } from './metrics.ts'

/** `/healthz`, `/readyz` and `/metrics`, and the time each request takes. */
export async function addOperations(app: FastifyInstance, { queue }: Services): Promise<void> {
  const metrics = watch(queue)

  app.addHook('onResponse', async (request, reply) => {
    // Routes are few, addresses without end.
    const route = request.routeOptions.url ?? 'unknown'
    metrics.observeRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1000)
  })
  app.addHook('onSend', async (_, reply) => {
    reply.header('x-process-time', (reply.elapsedTime / 1000).toFixed(4))
  })

  app.get('/healthz', { schema: { hide: true } }, async () => ({ status: 'ok' }))

  // Ready is who can take a job now; a process whose workers cannot start is alive and not ready.
  app.get('/readyz', { schema: { hide: true } }, async (_, reply) => {
    const { workers } = await queue.status()
    const isReady = workers.some(({ state }) => state === 'idle' || state === 'busy')
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'no worker is up' })
  })

  app.get('/metrics', { schema: { hide: true } }, async (_, reply) => {
    reply.type(metrics.registry.contentType)
    return metrics.registry.metrics()
  })
}
