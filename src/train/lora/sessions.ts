import type { Session } from '../../runtime/session.ts'
import { type OpenedStep, SizedSessions } from '../stepSessions.ts'
import { type BatchSize, contextGraph, type LoraGraphOptions, loraGraph, type TextReading } from './graph.ts'
import { tensorName } from './network.ts'

/** Sessions of a network's training steps and of the frozen text encoder. */
export class StepSessions {
  readonly #steps: SizedSessions
  readonly #encoders = new Map<string, Session>()

  constructor(options: { readonly threads: number; readonly limit?: number }) {
    this.#steps = new SizedSessions(options)
  }

  step(options: LoraGraphOptions, size: BatchSize): Promise<OpenedStep> {
    return this.#steps.step(keyOf(options, size), () => loraGraph(options, size))
  }

  /** The frozen text encoder. */
  async encoder(
    { config, weights }: Pick<LoraGraphOptions, 'config' | 'weights'>,
    text: TextReading,
  ): Promise<Session> {
    const key = JSON.stringify(text)
    const opened = this.#encoders.get(key) ?? (await this.#steps.compile(contextGraph(config, weights, text)))
    this.#encoders.set(key, opened)
    return opened
  }

  /** Gives back what the frozen text encoder takes, until it is asked for again. */
  async disposeEncoders(): Promise<void> {
    for (const session of this.#encoders.values()) await session.dispose()
    this.#encoders.clear()
  }

  async dispose(): Promise<void> {
    await this.#steps.dispose()
    await this.disposeEncoders()
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
