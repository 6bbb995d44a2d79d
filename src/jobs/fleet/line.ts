import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { TurnOrder, type Waiting } from '../order.ts'
import type { JobRecord, Outcome, Stored } from './record.ts'
import { keys, prefix } from './redis.ts'

export const queueName = 'jobs'

/** A job that waits, as far as its turn goes. */
export interface Standing extends Waiting {
  readonly stored: Stored
}

/** Milliseconds after which a machine that died while it took its turn holds up nobody any more. */
const lockMs = 5000
/** Seconds for which turns of users who are away are remembered. */
const rememberedSeconds = 7 * 24 * 3600

const waitingStates: ReadonlySet<string> = new Set(['waiting', 'prioritized'])

const releaseScript = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

/** How long a machine is believed to be alive without a word. */
export interface Lease {
  readonly seconds: number
}

/**
 * The jobs of all machines as BullMQ keeps them: who waits, and whose turn it is. BullMQ hands out the job at the head
 * of its list, to one taker only, and takes it back when that one is silent. Which job stands at the head is decided
 * here, by one machine at a time; should two ever decide at once, each still gets a job of its own.
 */
export class Line {
  readonly queue: Queue<JobRecord, Outcome | null, string>
  readonly hands: Worker<JobRecord, Outcome | null>
  readonly #redis: Redis
  readonly #lease: Lease

  /** `patient` serves what must succeed, `redis` what somebody waits for. */
  constructor(
    redis: Redis,
    patient: Redis,
    lease: Lease,
    machine: string,
    log: (message: string, error: unknown) => void,
  ) {
    this.#redis = redis
    this.#lease = lease
    // BullMQ's own events repeat every result; nothing here reads them.
    this.queue = new Queue(queueName, { connection: redis, prefix, streams: { events: { maxLen: 100 } } })
    this.hands = new Worker(queueName, undefined, {
      connection: patient,
      prefix,
      autorun: false,
      name: machine,
      lockDuration: Math.round(lease.seconds * 1000),
      stalledInterval: Math.round((lease.seconds * 1000) / 3),
      // Whether a job is tried again is decided when it is taken up.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    })
    // Connections report for themselves.
    this.queue.on('error', () => undefined)
    this.hands.on('error', (error) => log('the queue', error))
  }

  async find(id: string): Promise<Stored | undefined> {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return undefined
    return (await this.queue.getJob(id)) as Stored | undefined
  }

  async waiting(): Promise<readonly Stored[]> {
    return present(await this.queue.getJobs(['wait', 'prioritized']))
  }

  async running(): Promise<readonly Stored[]> {
    return present(await this.queue.getJobs(['active']))
  }

  /** The last so many that have ended, newest first. */
  async ended(limit: number): Promise<readonly Stored[]> {
    return present(await this.queue.getJobs(['completed'], 0, limit - 1))
  }

  /** All who wait, in the order of turns. */
  async order(): Promise<TurnOrder<Standing>> {
    const [jobs, turns, passed] = await Promise.all([
      this.waiting(),
      this.#redis.hgetall(keys.turns),
      this.#redis.hgetall(keys.passedOver),
    ])
    const order = new TurnOrder<Standing>(Object.entries(turns).map(([user, turn]) => [user, Number(turn)]))
    for (const stored of jobs) {
      const { user, priority, place, checkpoint } = stored.data
      const id = String(stored.id)
      const passedOver = Number(passed[id] ?? 0)
      order.add({ id, user, priority, place, checkpoint: checkpoint ?? undefined, passedOver, stored })
    }
    return order
  }

  /** Takes up the job that `choose` takes out of the order, with a lock of that token. */
  async take(token: string, choose: (order: TurnOrder<Standing>) => Standing | undefined): Promise<Stored | undefined> {
    return this.#alone(async () => {
      const order = await this.order()
      const before = new Map(order.expected().map(({ id, passedOver }) => [id, passedOver]))
      const chosen = choose(order)
      if (!chosen) return undefined
      const job = await this.#pop(chosen.id, token)
      const note = this.#redis.multi()
      if (order.turn > 0) note.hset(keys.turns, chosen.user, order.turn).expire(keys.turns, rememberedSeconds)
      note.hdel(keys.passedOver, chosen.id)
      for (const { id, passedOver } of order.expected()) {
        if (passedOver !== before.get(id)) note.hset(keys.passedOver, id, passedOver)
      }
      // The job is taken up whether or not the turn was noted.
      await note.exec().catch(() => undefined)
      return job
    })
  }

  /** Takes up this job and no other; undefined where it does not wait any more. */
  async takeOne(id: string, token: string): Promise<Stored | undefined> {
    return this.#alone(async () => {
      if (!waitingStates.has(await this.queue.getJobState(id))) return undefined
      const job = await this.#pop(id, token)
      if (!job || job.id === id) return job
      await job.moveToWait(token)
      return undefined
    })
  }

  async #pop(id: string, token: string): Promise<Stored | undefined> {
    const waiting = await this.queue.getJob(id)
    await waiting?.changePriority({ priority: 0, lifo: true })
    return (await this.hands.getNextJob(token, { block: false })) as Stored | undefined
  }

  /** Renews the locks of jobs that run here, and answers the ids of those that are another's by now. */
  async renew(tokens: ReadonlyMap<string, string>): Promise<readonly string[]> {
    return tokens.size === 0 ? [] : this.#extend(tokens)
  }

  /** Whether a job is held under this token still; its lock is then renewed. */
  async holds(id: string, token: string): Promise<boolean> {
    return (await this.#extend(new Map([[id, token]]))).length === 0
  }

  #extend(tokens: ReadonlyMap<string, string>): Promise<string[]> {
    return this.hands.extendJobLocks([...tokens.keys()], [...tokens.values()], Math.round(this.#lease.seconds * 1000))
  }

  /** One machine at a time, as long as none takes too long. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const own = randomUUID()
    while ((await this.#redis.set(keys.lock, own, 'PX', lockMs, 'NX')) === null)
      await setTimeout(5 + 20 * Math.random())
    try {
      return await work()
    } finally {
      await this.#redis.eval(releaseScript, 1, keys.lock, own).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    await this.hands.close(true)
    await this.queue.close()
  }
}

function present(jobs: readonly (Stored | undefined)[] | readonly unknown[]): readonly Stored[] {
  // A job may be removed between the list and the look at it.
  return (jobs as readonly (Stored | undefined)[]).filter((job): job is Stored => job?.data?.user !== undefined)
}
