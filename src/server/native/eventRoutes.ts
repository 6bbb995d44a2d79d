import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import websocket from '@fastify/websocket'
import { Type } from 'typebox'
import { isEnded } from '../../jobs/job.ts'
import type { NativeServices } from './nativeServices.ts'

const Query = Type.Object({ job: Type.Optional(Type.String({ description: 'Only events of this job' })) })

/** Seconds between signs of life: proxies close what is silent. */
const heartbeat = 15

/** Events as they happen, by server-sent events or over a WebSocket. */
export const eventRoutes: FastifyPluginAsyncTypebox<NativeServices> = async (app, { queue, feed, wire }) => {
  await app.register(websocket, { options: { maxPayload: 1024 } })

  app.get(
    '/events',
    {
      schema: {
        tags: ['events'],
        summary: 'What happens, as server-sent events',
        description:
          'Each has the kind as its event name and an Event as its data. With `job`, the first is the state the job ' +
          'is in, and the stream ends when it has ended.',
        querystring: Query,
        produces: ['text/event-stream'],
        response: { 200: Type.Unsafe({ type: 'string' }) },
      },
    },
    async ({ query: { job: jobId }, raw: request }, reply) => {
      const job = jobId === undefined ? undefined : await queue.get(jobId)
      reply.hijack()
      const { raw } = reply
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // nginx would collect events until there are many.
        'x-accel-buffering': 'no',
      })
      raw.write(': hello\n\n')
      const send = (kind: string, json: string) => {
        raw.write(`event: ${kind}\ndata: ${json}\n\n`)
        if (jobId !== undefined && ends.has(kind)) raw.end()
      }
      const remove = feed.add({ jobId, backlog: () => raw.writableLength, send, close: () => raw.destroy() })
      const beat = setInterval(() => raw.write(': still here\n\n'), heartbeat * 1000)
      request.once('close', () => {
        remove()
        clearInterval(beat)
      })
      if (job) send(kindOf(job.state), JSON.stringify(wire.event({ kind: kindOf(job.state), job })))
    },
  )

  app.get('/events/ws', { websocket: true, schema: { hide: true, querystring: Query } }, async (socket, request) => {
    const { job: jobId } = request.query
    const send = (_: string, json: string) => socket.send(json)
    const remove = feed.add({ jobId, backlog: () => socket.bufferedAmount, send, close: () => socket.terminate() })
    const beat = setInterval(() => socket.ping(), heartbeat * 1000)
    socket.on('close', () => {
      remove()
      clearInterval(beat)
    })
    if (jobId === undefined) return
    try {
      const job = await queue.get(jobId)
      send('', JSON.stringify(wire.event({ kind: kindOf(job.state), job })))
      if (isEnded(job)) socket.close()
    } catch {
      socket.close(4404, 'there is no such job')
    }
  })
}

const ends: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled'])

/** The event that has led to a state. */
function kindOf(state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled') {
  return state === 'running' ? 'started' : state
}
