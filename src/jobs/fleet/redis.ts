import { Redis } from 'ioredis'
import { StudioError } from '../../errors.ts'

/** Before every key; the braces keep them on one node of a Redis Cluster, where scripts need them together. */
export const prefix = '{athanor}'

export const keys = {
  task: (id: string) => `${prefix}:task:${id}`,
  claims: (id: string) => `${prefix}:claims:${id}`,
  machine: (id: string) => `${prefix}:machine:${id}`,
  server: (id: string) => `${prefix}:server:${id}`,
  machines: `${prefix}:machines`,
  cancelled: `${prefix}:cancelled`,
  turns: `${prefix}:turns`,
  passedOver: `${prefix}:passed-over`,
  places: `${prefix}:places`,
  paused: `${prefix}:paused`,
  lock: `${prefix}:taking-turns`,
  events: `${prefix}:events`,
  orders: `${prefix}:orders`,
}

/** `patient` waits for a Redis that is gone until it is back; `prompt` gives up soon: somebody waits for the answer. */
export type Patience = 'patient' | 'prompt'

/** A connection that is made anew whenever it breaks. */
export function connect(url: string, patience: Patience, log: (message: string, error: unknown) => void): Redis {
  if (!/^rediss?:\/\/[^\s]+$/.test(url)) {
    throw new StudioError('bad-request', '--queue: expected redis://HOST:PORT or rediss://HOST:PORT', {
      field: '--queue',
    })
  }
  const redis = new Redis(url, {
    maxRetriesPerRequest: patience === 'patient' ? null : 2,
    retryStrategy: (times) => Math.min(2000, 50 * 2 ** Math.min(times, 6)),
    connectTimeout: 5000,
  })
  let isDown = false
  // A Redis that is gone says so at every attempt; once is enough.
  redis.on('error', (error) => {
    if (!isDown) log('Redis cannot be reached', error)
    isDown = true
  })
  redis.on('ready', () => {
    isDown = false
  })
  return redis
}

/** What is wrong with a Redis that does not keep what it was told; undefined where nothing is, or it does not say. */
export async function forgetfulness(redis: Redis): Promise<string | undefined> {
  const value = async (name: string) => {
    try {
      const [, found] = (await redis.config('GET', name)) as readonly string[]
      return found
    } catch {
      return undefined
    }
  }
  const policy = await value('maxmemory-policy')
  if (policy !== undefined && policy !== 'noeviction') {
    return `Redis may drop jobs when its memory is full: set maxmemory-policy to noeviction, it is ${policy}`
  }
  const isLogged = await value('appendonly')
  if (isLogged === 'no') return 'Redis keeps jobs in memory alone: set appendonly yes, or a crash of Redis loses them'
  return undefined
}

/** An error of a Redis that cannot be reached as what callers are told. */
export function reached<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((cause: unknown) => {
    if (cause instanceof StudioError || !isConnectionError(cause)) throw cause
    throw new StudioError('unreachable', 'the queue cannot be reached', { cause, retryAfterSeconds: 5 })
  })
}

export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, name, message } = error as NodeJS.ErrnoException
  return (
    name === 'MaxRetriesPerRequestError' ||
    (code !== undefined && /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/.test(code)) ||
    /^(Connection is closed|Stream isn't writeable|LOADING|MASTERDOWN|READONLY)/.test(message)
  )
}
