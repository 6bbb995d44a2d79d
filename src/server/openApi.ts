import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { version } from '../version.ts'
import type { ServerSettings } from './settings.ts'

/** `/openapi.json`, made of the schemas that requests are checked against, and `/docs` to read and try it. */
export async function addOpenApi(app: FastifyInstance, { subpath }: ServerSettings): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Athanor', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
      tags: [
        { name: 'jobs', description: 'Work: submitting it, looking at it, ending it' },
        { name: 'events', description: 'What happens, as it happens' },
        { name: 'images', description: 'The gallery of saved pictures' },
        { name: 'training', description: 'Sets of pictures, and networks that learn from them' },
        { name: 'studio', description: 'Models, and whether pictures are what they say' },
      ],
      ...(subpath !== '' && { servers: [{ url: subpath }] }),
    },
    refResolver: { buildLocalReference: (json, _, __, i) => String(json.$id ?? `def-${i}`) },
  })
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: false })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
