import type { Report, StepReport } from './crew.ts'
import type { JobError, JobProgress, Preview } from './job.ts'
import type { MadePicture, ResultOf, TaskKind } from './task.ts'

/** One attempt at a job, as far as it is. Time is measured by a clock that no one sets. */
export class Run {
  readonly workerId: string
  readonly pictures: MadePicture[] = []
  isCancelled = false
  /** What went wrong outside the worker: its own report does not count any more. */
  failure: JobError | undefined
  /** Resolves when all reports so far have been followed. */
  handled: Promise<void> = Promise.resolve()
  readonly #startedAt = performance.now()
  #step: StepReport | undefined
  /** When the first step was reported: before, a model may have been loaded. */
  #firstStep: { readonly at: number; readonly fraction: number } | undefined
  #preview: Preview | undefined

  constructor(workerId: string) {
    this.workerId = workerId
  }

  /** Notes a step; true where it brings a new preview. */
  step({ preview, kind: _, ...step }: Extract<Report, { kind: 'step' }>): boolean {
    this.#step = step
    this.#firstStep ??= { at: performance.now(), fraction: step.fraction }
    if (preview) this.#preview = { ...preview, number: (this.#preview?.number ?? 0) + 1 }
    return preview !== undefined
  }

  get fraction(): number {
    return this.#step?.fraction ?? 0
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  get progress(): JobProgress | undefined {
    if (!this.#step) return undefined
    return {
      ...this.#step,
      elapsedSeconds: this.elapsedSeconds,
      etaSeconds: this.#etaSeconds(this.#step.fraction),
      preview: this.#preview,
    }
  }

  #etaSeconds(fraction: number): number | undefined {
    const first = this.#firstStep
    if (!first || fraction <= first.fraction) return undefined
    const pace = (performance.now() - first.at) / 1000 / (fraction - first.fraction)
    return Math.max(0, pace * (1 - fraction))
  }

  /** The result with what is known of its pictures here. */
  completed(result: ResultOf<TaskKind>): ResultOf<TaskKind> {
    const pictures = result.pictures.map(
      (picture) => this.pictures.find(({ index }) => index === picture.index) ?? picture,
    )
    return { ...result, pictures }
  }
}
