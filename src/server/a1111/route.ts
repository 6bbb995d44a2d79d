import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { floatLiterals } from '../../pipeline/wire/floatLiterals.ts'
import { type Field, readFields, schemaOf } from './fieldTypes.ts'

/** A JSON body as it came, with its text: whether a number was spelled `7` or `7.0` is nowhere else. */
export interface JsonBody {
  readonly value: unknown
  readonly text: string
}

/** What a handler is given. */
export interface Call {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The fields of the body, with their defaults. */
  readonly values: Readonly<Record<string, unknown>>
  /** The body as it came. */
  readonly body: Readonly<Record<string, unknown>>
  /** Paths of whole numbers that the body spells as floats. */
  readonly floats: ReadonlySet<string>
}

/** What a route is, for those who read the documentation. */
export interface RouteInfo {
  readonly summary: string
  readonly fields?: readonly Field[]
  /** The body is one of any fields. */
  readonly isFree?: boolean
  readonly query?: Readonly<Record<string, unknown>>
}

/** A route of A1111's API: the body is read as FastAPI would, what the handler answers is sent as JSON. */
export function route(
  app: FastifyInstance,
  method: 'GET' | 'POST',
  url: string,
  info: RouteInfo,
  handle: (call: Call) => unknown,
): void {
  const { summary, fields, isFree = false, query } = info
  app.route({
    method,
    url,
    schema: {
      summary,
      tags: ['A1111'],
      ...(fields && { body: schemaOf(fields) }),
      ...(isFree && { body: { type: 'object', additionalProperties: true } }),
      ...(query && { querystring: { type: 'object', properties: query } }),
    },
    handler: async (request, reply) => {
      const { value, text } = (request.body as JsonBody | undefined) ?? { value: undefined, text: '' }
      const values = fields ? readFields(fields, value) : isFree ? readFields([], value) : {}
      const body = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
      const answer = await handle({
        request,
        reply,
        values,
        body,
        floats: text === '' ? new Set() : floatLiterals(text),
      })
      return reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(answer ?? null))
    },
  })
}
