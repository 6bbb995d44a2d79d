import { elementCount } from '../models/elementCount.ts'
import type { Model } from '../pipeline/model.ts'
import type { StepCost } from './stepCost.ts'

/** What is learnt from, in words. */
export function baseInWords({ checkpoint, config, weights }: Model, prediction: 'epsilon' | 'v'): string {
  const kind = { sd1: 'Stable Diffusion 1', sd2: 'Stable Diffusion 2' }[config.kind]
  const predicts = prediction === 'v' ? 'v' : 'the noise'
  return `Base: ${checkpoint.name}, ${kind}, ${millions(elementCount(weights))} numbers, predicts ${predicts}.`
}

/** What a training of so many steps takes, in words. */
export function costInWords({ seconds, bytes }: StepCost, steps: number): string {
  return `Estimate: about ${duration(seconds * steps)} (${seconds.toPrecision(2)} s a step), ${(bytes / 2 ** 30).toFixed(1)} GiB of memory.`
}

/** `75 thousand`, `1.2 million`. */
export function millions(count: number): string {
  return count < 1e6 ? `${Math.round(count / 1e3)} thousand` : `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} million`
}

/** `2 h 5 min`, `3 min`, `40 s`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
