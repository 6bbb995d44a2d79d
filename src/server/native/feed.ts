import type { JobEvent } from '../../jobs/job.ts'
import type { JobQueue } from '../../jobs/queue.ts'
import type { Wire } from './wire.ts'

/** A connection that wants events. */
export interface Subscriber {
  /** Only events of this job, where given. */
  readonly jobId: string | undefined
  /** Bytes that it has been sent and has not taken yet. */
  backlog(): number
  send(kind: string, json: string): void
  close(): void
}

/** Beyond this a slow reader gets no more steps and previews, only what matters. */
const slowBytes = 256 * 1024
/** Beyond this it is taken for dead. */
const deadBytes = 4 * 2 ** 20

/** Passes the events of a queue on to whoever listens. An event is put into words once, however many those are. */
export class Feed {
  readonly #subscribers = new Set<Subscriber>()
  readonly #stop: () => void

  constructor(queue: JobQueue, wire: Wire) {
    this.#stop = queue.subscribe((event) => {
      if (this.#subscribers.size > 0) this.#pass(event, wire)
    })
  }

  get size(): number {
    return this.#subscribers.size
  }

  add(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }

  #pass(event: JobEvent, wire: Wire): void {
    const jobId = 'job' in event ? event.job.id : undefined
    let json: string | undefined
    for (const subscriber of this.#subscribers) {
      if (subscriber.jobId !== undefined && subscriber.jobId !== jobId) continue
      const backlog = subscriber.backlog()
      if (backlog > deadBytes) {
        this.#subscribers.delete(subscriber)
        subscriber.close()
      } else if (backlog <= slowBytes || event.kind !== 'step') {
        json ??= JSON.stringify(wire.event(event))
        subscriber.send(event.kind, json)
      }
    }
  }

  close(): void {
    this.#stop()
    for (const subscriber of this.#subscribers) subscriber.close()
    this.#subscribers.clear()
  }
}
