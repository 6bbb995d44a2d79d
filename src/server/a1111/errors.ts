import type { FastifyReply } from 'fastify'
import { StudioError } from '../../errors.ts'
import { tell } from '../errorReply.ts'
import { FieldRefusal } from './fieldTypes.ts'

/** The body of every error that is not about the types of fields. */
export interface ErrorBody {
  /** What kind of error: an exception's class in the reference, a code of ours elsewhere. */
  readonly error: string
  readonly detail: string
  readonly body: string
  readonly errors: string
  /** The field at fault, where there is one. */
  readonly field?: string
}

/** An error that is told with the status and in the words of the reference. */
export class ReferenceFailure extends Error {
  readonly status: number
  readonly told: ErrorBody

  constructor(status: number, told: Partial<ErrorBody> & Pick<ErrorBody, 'error'>) {
    super(told.errors ?? told.detail ?? told.error)
    this.status = status
    this.told = { detail: '', body: '', errors: '', ...told }
  }
}

/** What FastAPI's HTTPException comes to. */
export function httpException(status: number, detail: string): ReferenceFailure {
  return new ReferenceFailure(status, { error: 'HTTPException', detail })
}

/** Answers with an error: the reference's own, a refusal of fields, or one of ours under its code. */
export function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  if (error instanceof FieldRefusal) return reply.code(422).send({ detail: error.errors })
  if (error instanceof ReferenceFailure) return reply.code(error.status).send(error.told)
  const { status, code, message, field, retryAfterSeconds } = tell(error)
  if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
  if (code === 'unauthorized') {
    return reply
      .code(status)
      .send({ error: 'HTTPException', detail: message, body: '', errors: '' } satisfies ErrorBody)
  }
  // What this program cannot do is the request's mistake here: no retry would help.
  const told = error instanceof StudioError && code === 'unsupported' ? 422 : status
  return reply.code(told).send({
    error: code,
    detail: message,
    body: '',
    errors: message,
    ...(field !== undefined && { field }),
  } satisfies ErrorBody)
}
