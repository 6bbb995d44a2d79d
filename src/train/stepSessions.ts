import type { Graph } from '../graph/value.ts'
import { compile } from '../runtime/compile.ts'
import type { Session } from '../runtime/session.ts'
import { WeightStore } from '../runtime/weightStore.ts'
import { sizeOf } from '../tensor/shape.ts'

/** Models of more numbers than these stay mapped from their file, and are converted at every step instead. */
const largestPacked = 2.5e8

/** A graph of one batch size, ready to run, and the shapes of its inputs. */
export interface OpenedStep {
  readonly session: Session
  readonly shapes: ReadonlyMap<string, readonly number[]>
}

/**
 * Sessions of one model's training steps, opened when a batch size comes up. They share the model's packed weights;
 * those used last stay open, as each holds the memory of its activations.
 */
export class SizedSessions {
  readonly #threads: number
  readonly #limit: number
  readonly #store = new WeightStore()
  readonly #steps = new Map<string, OpenedStep>()

  constructor({ threads, limit = 6 }: { readonly threads: number; readonly limit?: number }) {
    this.#threads = threads
    this.#limit = limit
  }

  /** The step that `key` tells from others; its graph is built where it is not open. */
  async step(key: string, build: () => Graph): Promise<OpenedStep> {
    const opened = this.#steps.get(key) ?? (await this.#open(build))
    // The one used last goes to the end.
    this.#steps.delete(key)
    this.#steps.set(key, opened)
    return opened
  }

  compile(graph: Graph): Promise<Session> {
    // The way back wants convolutions' weights turned about, so packed ones lie in memory twice.
    const size = graph.weights.reduce((sum, { shape }) => sum + sizeOf(shape.map(Number)), 0)
    // A step is run many times, so that what can be packed is packed at once.
    const residence = size > largestPacked ? 'mapped' : 'packed'
    return compile(graph, { residence, threads: this.#threads, store: this.#store })
  }

  async dispose(): Promise<void> {
    for (const { session } of this.#steps.values()) await session.dispose()
    this.#steps.clear()
  }

  async #open(build: () => Graph): Promise<OpenedStep> {
    for (const [key, { session }] of [...this.#steps].slice(0, Math.max(0, this.#steps.size - this.#limit + 1))) {
      this.#steps.delete(key)
      await session.dispose()
    }
    const graph = build()
    const shapes = new Map(
      graph.inputs.map(({ source, shape }) => [source.kind === 'input' ? source.name : '', shape.map(Number)]),
    )
    return { session: await this.compile(graph), shapes }
  }
}
