import { compile } from '../../runtime/compile.ts'
import type { Session } from '../../runtime/session.ts'
import { WeightStore } from '../../runtime/weightStore.ts'
import { sizeOf } from '../../tensor/shape.ts'
import { type BatchSize, contextGraph, type LoraGraphOptions, loraGraph, type TextReading } from './graph.ts'
import { tensorName } from './network.ts'

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
export class StepSessions {
  readonly #threads: number
  readonly #limit: number
  readonly #store = new WeightStore()
  readonly #steps = new Map<string, OpenedStep>()
  readonly #encoders = new Map<string, Session>()

  constructor({ threads, limit = 6 }: { readonly threads: number; readonly limit?: number }) {
    this.#threads = threads
    this.#limit = limit
  }

  async step(options: LoraGraphOptions, size: BatchSize): Promise<OpenedStep> {
    const key = keyOf(options, size)
    const opened = this.#steps.get(key) ?? (await this.#open(options, size))
    // The one used last goes to the end.
    this.#steps.delete(key)
    this.#steps.set(key, opened)
    return opened
  }

  /** The frozen text encoder. */
  async encoder(
    { config, weights }: Pick<LoraGraphOptions, 'config' | 'weights'>,
    text: TextReading,
  ): Promise<Session> {
    const key = JSON.stringify(text)
    const opened = this.#encoders.get(key) ?? (await this.#compile(contextGraph(config, weights, text)))
    this.#encoders.set(key, opened)
    return opened
  }

  /** Gives back what the frozen text encoder takes, until it is asked for again. */
  async disposeEncoders(): Promise<void> {
    for (const session of this.#encoders.values()) await session.dispose()
    this.#encoders.clear()
  }

  async dispose(): Promise<void> {
    for (const { session } of this.#steps.values()) await session.dispose()
    this.#steps.clear()
    await this.disposeEncoders()
  }

  async #open(options: LoraGraphOptions, size: BatchSize): Promise<OpenedStep> {
    for (const [key, { session }] of [...this.#steps].slice(0, Math.max(0, this.#steps.size - this.#limit + 1))) {
      this.#steps.delete(key)
      await session.dispose()
    }
    const graph = loraGraph(options, size)
    const shapes = new Map(
      graph.inputs.map(({ source, shape }) => [source.kind === 'input' ? source.name : '', shape.map(Number)]),
    )
    return { session: await this.#compile(graph), shapes }
  }

  #compile(graph: ReturnType<typeof loraGraph>): Promise<Session> {
    // The way back wants convolutions' weights turned about, so packed ones lie in memory twice.
    const size = graph.weights.reduce((sum, { shape }) => sum + sizeOf(shape.map(Number)), 0)
    // A step is run many times, so that what can be packed is packed at once.
    const residence = size > largestPacked ? 'mapped' : 'packed'
    return compile(graph, { residence, threads: this.#threads, store: this.#store })
  }
}

/** What two steps must have in common to be run by one graph. */
function keyOf(options: LoraGraphOptions, size: BatchSize): string {
  const { modules, hasDropout, loss, isMasked, text, learns, recomputes, isForwardOnly } = options
  const parts = modules.map((module) => [
    module.family,
    module.isDora,
    module.scale,
    module.parts.map((part) => {
      const name = tensorName(module, part)
      return [name, part.shape, learns?.(name)]
    }),
  ])
  return JSON.stringify([size, hasDropout, loss, isMasked, text, recomputes, isForwardOnly, parts])
}
