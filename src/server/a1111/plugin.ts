import type {} from '@fastify/swagger'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { StudioError } from '../../errors.ts'
import { parseJsonBody } from '../jsonBody.ts'
import type { Services } from '../services.ts'
import type { Context } from './context.ts'
import { createRoutes } from './createRoutes.ts'
import { sendError } from './errors.ts'
import { extrasRoutes } from './extras.ts'
import { FieldRefusal } from './fieldTypes.ts'
import { listRoutes } from './listRoutes.ts'
import { networkCardRoutes } from './networkCards.ts'
import { ServerOptions } from './options.ts'
import { pictureRoutes } from './pictures.ts'
import { ProgressBoard } from './progress.ts'
import { settingsRoutes } from './settingsRoutes.ts'
import { stateRoutes } from './stateRoutes.ts'
import { trainRoutes } from './trainRoutes.ts'

/** The routes of stable-diffusion-webui, `/sdapi/v1` and `/internal`, with that program's error bodies. */
export const a1111: FastifyPluginAsync<Services> = async (app, services) => {
  const { queue, studio, runs, settings } = services
  const board = new ProgressBoard()
  const stop = queue.subscribe((event) => {
    board.follow(event)
    if (event.kind !== 'started') return
    const { id } = event.job
    const look = async () => {
      const task = await queue.task(id)
      if (task.kind === 'generate' && task.recipe.hires) board.noteHires(id)
    }
    look().catch(() => undefined)
  })
  app.addHook('onClose', async () => stop())
  const context: Context = {
    queue,
    studio,
    runs,
    settings,
    board,
    options: new ServerOptions(studio, settings.isLenient),
  }

  app.setErrorHandler(async (error, request, reply) => {
    await sendError(reply, error)
    if (reply.statusCode >= 500) request.log.error(error)
    return reply
  })
  // Schemas are for the documentation: bodies are read as the reference reads them.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  readJson(app, settings.limits.jsonDepth)
  timeCalls(app, settings.logsApiCalls)

  const known = new Map<string, string[]>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = Array.isArray(method) ? method : [method]
    known.set(url, [...(known.get(url) ?? []), ...methods])
  })
  pictureRoutes(app, context)
  extrasRoutes(app, context)
  stateRoutes(app, context)
  listRoutes(app, context)
  settingsRoutes(app, context, services)
  createRoutes(app, context)
  trainRoutes(app, context)
  networkCardRoutes(app, context)
  refuseOthers(app, known)
}

/** Bodies are JSON, and their text is kept: it alone tells 7 from 7.0. */
function readJson(app: FastifyInstance, depth: number): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(/^application\/([\w.+-]+\+)?json/, { parseAs: 'string' }, (_, text, done) => {
    try {
      done(null, { value: text === '' ? undefined : parseJsonBody(String(text), depth), text: String(text) })
    } catch (cause) {
      if (!(cause instanceof StudioError)) throw cause
      done(new FieldRefusal([{ loc: ['body'], msg: cause.message, type: 'value_error.jsondecode' }]))
    }
  })
  // What has no JSON in it has no fields either; routes without a body do not look.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_, text, done) =>
    done(null, { value: undefined, text: String(text) }),
  )
}

/** `X-Process-Time` on every answer, and a line in the log where that is wanted. */
function timeCalls(app: FastifyInstance, isLogged: boolean): void {
  app.addHook('onSend', async (_, reply) => {
    reply.header('x-process-time', (reply.elapsedTime / 1000).toFixed(4))
  })
  if (!isLogged) return
  app.addHook('onResponse', async ({ method, url, ip, log }, reply) => {
    log.info({ method, url, ip, status: reply.statusCode, seconds: reply.elapsedTime / 1000 }, 'A1111 API')
  })
}

/** Other addresses and methods, in FastAPI's words. */
function refuseOthers(app: FastifyInstance, known: ReadonlyMap<string, readonly string[]>): void {
  for (const url of ['/sdapi/*', '/internal/*', '/sd_extra_networks/*']) {
    app.all(url, { schema: { hide: true } }, async (request, reply) => {
      const path = request.url.split('?')[0]!
      const methods = known.get(path)
      if (!methods) return reply.code(404).send({ detail: 'Not Found' })
      return reply.code(405).header('allow', methods.join(', ')).send({ detail: 'Method Not Allowed' })
    })
  }
}
