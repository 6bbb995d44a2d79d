import type { ImagePlan, Recipe } from './recipe.ts'

/** A batch of a job: its pictures, and where they stand in it. */
export interface Batch {
  readonly index: number
  readonly count: number
  /** Position in the job of its first picture. */
  readonly first: number
  /** Position of that among pictures that were asked for as one batch. */
  readonly offset: number
  readonly images: readonly ImagePlan[]
}

/**
 * The batches of a recipe, in order. A sampler that chooses its steps by what it sees would let pictures change each
 * other, so it is given one at a time.
 */
export function batchesOf({ images, batchSize, pass, hires }: Recipe): Batch[] {
  const isAdaptive = [pass, hires?.pass].some((each) => each?.sampler === 'DPM adaptive')
  const size = isAdaptive ? 1 : batchSize
  const count = Math.ceil(images.length / size)
  return Array.from({ length: count }, (_, index) => {
    const first = index * size
    return { index, count, first, offset: first % batchSize, images: images.slice(first, first + size) }
  })
}
