import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import type { ServerSettings } from '../settings.ts'
import { checkOrigin, isAllowedOrigin } from './origin.ts'
import { SignIn } from './signIn.ts'

/** Pages load nothing from elsewhere and run no script but the files that come with them. */
const contentPolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** Whether the server is alive and ready is nobody's secret, and whoever asks has no password. */
const openPaths: ReadonlySet<string> = new Set(['/healthz', '/readyz'])

/** Adds to the whole server what every request passes through before anything looks at it. */
export async function addSecurity(app: FastifyInstance, settings: ServerSettings): Promise<void> {
  const signIn = new SignIn(settings)

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'content-security-policy': contentPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'x-frame-options': 'DENY',
    })
    const { method, headers } = request
    const isUpgrade = headers.upgrade !== undefined
    // A refused upgrade leaves a connection that nothing counts any more.
    if (isUpgrade) reply.raw.once('finish', () => request.raw.socket.destroySoon())
    checkOrigin({ method, headers, isUpgrade }, settings)
  })
  if (settings.cors.origins.length > 0 || settings.cors.pattern) {
    await app.register(cors, {
      credentials: true,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      origin: (origin, done) => done(null, origin !== undefined && isAllowedOrigin(origin, settings)),
    })
  }
  app.addHook('onRequest', async (request, reply) => {
    if (!signIn.isNeeded || openPaths.has(request.url.split('?')[0]!)) return
    reply.header('www-authenticate', 'Basic realm="Athanor", charset="UTF-8"')
    signIn.check(request.headers.authorization, request.ip)
    reply.removeHeader('www-authenticate')
  })
}
