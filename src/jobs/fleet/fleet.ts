import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { WorkerStatus } from '../queue.ts'
import { Bus } from './bus.ts'
import { type Lease, Line } from './line.ts'
import { Portable } from './portable.ts'
import { connect, forgetfulness, keys, type Patience, reached } from './redis.ts'

export interface FleetSettings {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. */
  readonly url: string
  /** Models, and the folder below which pictures are saved. */
  readonly dataDir: string
  /** How long a machine may be silent before its jobs are given to others. */
  readonly lease?: Lease
  readonly log?: (message: string, error: unknown) => void
}

/** Seconds that a good-bye may take. */
const leaveSeconds = 2
const defaultLease: Lease = { seconds: 15 }
/** Seconds for which a server that is silent counts as there: its callers may still be waiting. */
export const serverSeconds = 60

/** What every process of a fleet holds: connections, the line of jobs, the bus of events. */
export class Fleet {
  /** A name that no other process has. */
  readonly id = randomUUID()
  readonly lease: Lease
  readonly log: (message: string, error: unknown) => void
  readonly portable: Portable
  /** Gives up soon where Redis is gone. */
  readonly redis: Redis
  /** Waits until Redis is back. */
  readonly patient: Redis
  readonly line: Line
  readonly bus: Bus
  readonly #receiver: Redis

  private constructor({ url, dataDir, lease = defaultLease, log = () => undefined }: FleetSettings, redis: Redis) {
    this.lease = lease
    this.log = log
    this.portable = new Portable(dataDir)
    this.redis = redis
    this.patient = connect(url, 'patient', () => undefined)
    this.#receiver = connect(url, 'patient', () => undefined)
    this.line = new Line(this.redis, this.patient, lease, this.id, log)
    this.bus = new Bus(this.redis, this.#receiver, this.portable, log)
  }

  /** `patient` where nobody waits for an answer: a machine that works rather than one that serves. */
  static async open(settings: FleetSettings, patience: Patience): Promise<Fleet> {
    const { url, log = () => undefined } = settings
    const redis = connect(url, patience, log)
    try {
      // What is wrong with the address is told at the start; later every outage is taken for passing.
      await reached(redis.ping())
      const fault = await forgetfulness(redis)
      if (fault !== undefined) log(fault, 'an accepted job may be lost')
      return new Fleet(settings, redis)
    } catch (error) {
      redis.disconnect()
      throw error
    }
  }

  /** Calls `back` whenever the connection for events is there again: what was told meanwhile was missed. */
  onReturn(back: () => void): void {
    this.#receiver.on('ready', back)
  }

  /** The workers of all machines. */
  async workers(): Promise<readonly WorkerStatus[]> {
    const ids = await this.redis.smembers(keys.machines)
    if (ids.length === 0) return []
    const told = await this.redis.mget(ids.map((id) => keys.machine(id)))
    const gone = ids.filter((_, i) => told[i] === null)
    if (gone.length > 0) await this.redis.srem(keys.machines, ...gone)
    return told.flatMap((text) => (text == null ? [] : (JSON.parse(text) as WorkerStatus[]).map(statusOf)))
  }

  async close(): Promise<void> {
    // A Redis that is gone keeps nobody from leaving.
    await Promise.race([
      this.line.close().catch(() => undefined),
      pause(leaveSeconds * 1000, undefined, { ref: false }),
    ])
    for (const redis of [this.#receiver, this.redis, this.patient]) redis.disconnect()
  }
}

function statusOf({ id, state, checkpoint, jobId, memoryBytes }: WorkerStatus): WorkerStatus {
  return { id, state, checkpoint, jobId, memoryBytes }
}
