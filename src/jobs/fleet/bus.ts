import { deserialize, serialize } from 'node:v8'
import type { Redis } from 'ioredis'
import type { Order } from '../crew.ts'
import type { JobEvent } from '../job.ts'
import type { Portable } from './portable.ts'
import { keys } from './redis.ts'

/** What is said to the machine that runs a job. */
export interface SpokenOrder {
  readonly jobId: string
  readonly order: Order
}

/**
 * What machines tell each other as it happens. Whoever is away misses it: what must not be missed is written down, and
 * whoever comes back looks there.
 */
export class Bus {
  readonly #sender: Redis
  readonly #receiver: Redis
  readonly #portable: Portable
  readonly #log: (message: string, error: unknown) => void

  constructor(sender: Redis, receiver: Redis, portable: Portable, log: (message: string, error: unknown) => void) {
    this.#sender = sender
    this.#receiver = receiver
    this.#portable = portable
    this.#log = log
  }

  /** Never fails and never waits: an event that cannot be told now is not worth telling later. */
  tell(event: JobEvent): void {
    this.#send(keys.events, this.#portable.pack(event))
  }

  order(order: SpokenOrder): void {
    this.#send(keys.orders, order)
  }

  #send(channel: string, message: unknown): void {
    if (this.#sender.status !== 'ready') return
    this.#sender.publish(channel, serialize(message)).catch((error) => this.#log('an event was not told', error))
  }

  async hearEvents(hear: (event: JobEvent) => void): Promise<void> {
    await this.#hear(keys.events, (message) => hear(this.#portable.unpack(message as JobEvent)))
  }

  async hearOrders(hear: (order: SpokenOrder) => void): Promise<void> {
    await this.#hear(keys.orders, (message) => hear(message as SpokenOrder))
  }

  async #hear(channel: string, hear: (message: unknown) => void): Promise<void> {
    this.#receiver.on('messageBuffer', (from: Buffer, message: Buffer) => {
      if (from.toString() === channel) hear(deserialize(message))
    })
    await this.#receiver.subscribe(channel)
  }
}
