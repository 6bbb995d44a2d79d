import type { Studio } from '../pipeline/studio.ts'

/** What happens in a training. */
export type TrainingEvent =
  | { readonly kind: 'plan'; readonly lines: readonly string[] }
  | { readonly kind: 'caching'; readonly done: number; readonly total: number }
  /** The folder that the event files are in. */
  | { readonly kind: 'logging'; readonly folder: string }
  | { readonly kind: 'resumed'; readonly epoch: number; readonly step: number }
  | StepEvent
  | {
      readonly kind: 'validated'
      readonly epoch: number
      readonly step: number
      readonly loss: number
      readonly isBest: boolean
    }
  | { readonly kind: 'sampled'; readonly path: string }
  | { readonly kind: 'saved'; readonly path: string }
  | {
      readonly kind: 'ended'
      readonly reason: 'done' | 'stopped' | 'early'
      readonly path: string
      readonly best: string | undefined
    }

/** A step is done. */
export interface StepEvent {
  readonly kind: 'step'
  readonly epoch: number
  readonly epochs: number
  readonly step: number
  readonly total: number
  readonly loss: number
  readonly averageLoss: number
  readonly seconds: number
}

/** Where a training of a network or an embedding finds what it needs. */
export interface TrainingPlaces {
  readonly studio: Studio
  /** What relative paths begin at. */
  readonly folder: string
  readonly threads: number
  readonly programVersion: string
  /** Ends the run after the step at work, with what it has learnt saved. */
  readonly signal: AbortSignal
}
