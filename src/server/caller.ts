import type { FastifyReply, FastifyRequest } from 'fastify'
import { StudioError } from '../errors.ts'
import { basicCredential } from './security/signIn.ts'

/** Whose turn a request uses in the queue: who signed in, else the address. */
export function userOf(request: FastifyRequest): string {
  return basicCredential(request.headers.authorization)?.name ?? request.ip
}

/** Aborts when the caller hangs up before the answer is sent. */
export function hangUp(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  const { raw } = reply
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort(new StudioError('cancelled', 'the caller has hung up'))
  })
  return controller.signal
}
