import type { FastifyReply, FastifyRequest } from 'fastify'

/** Whose turn a request uses in the queue: who signed in, else the address. */
export function userOf(request: FastifyRequest): string {
  const { authorization } = request.headers
  if (authorization?.startsWith('Basic ')) {
    const [name] = Buffer.from(authorization.slice('Basic '.length), 'base64').toString('utf8').split(':')
    if (name !== undefined && name !== '') return name
  }
  return request.ip
}

/** Aborts when the caller hangs up before the answer is sent. */
export function hangUp(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  const { raw } = reply
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort()
  })
  return controller.signal
}
