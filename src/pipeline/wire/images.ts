import { randomInt } from 'node:crypto'
import type { ImagePlan } from '../recipe.ts'
import type { PromptPair } from './prompts.ts'
import type { CommonFields } from './request.ts'

/** Seeds that are drawn lie below this, as the reference's do. */
const drawnBelow = 4294967294

/**
 * The pictures of a job. Seeds count up from one picture to the next, except where variation is on: then all start
 * from the same noise and only the variations count up. A seed of −1 is drawn here, so that it is known.
 */
export function imagesOf(fields: CommonFields, prompts: PromptPair): ImagePlan[] {
  const seed = drawnSeed(fields.seed)
  const subseed = drawnSeed(fields.subseed)
  const isVaried = fields.subseed_strength !== 0
  return Array.from({ length: fields.batch_size * fields.n_iter }, (_, i) => ({
    ...prompts,
    seed: isVaried ? seed : seed + i,
    subseed: subseed + i,
  }))
}

/** What a script asks of one picture of a job. */
export interface PictureRequest extends PromptPair {
  readonly seed: number
}

/** Pictures that are listed one by one; only their variations count up. */
export function listedImages(
  fields: CommonFields,
  pictures: readonly PictureRequest[],
  merge: (prompts: PromptPair) => PromptPair,
): ImagePlan[] {
  const subseed = drawnSeed(fields.subseed)
  return pictures.map(({ seed, ...prompts }, i) => ({ ...merge(prompts), seed, subseed: subseed + i }))
}

/** A seed, drawn where it was left open. */
export function drawnSeed(seed: number): number {
  return seed === -1 ? randomInt(drawnBelow) : seed
}
