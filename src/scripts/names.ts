import { checkpointTitle } from '../pipeline/findCheckpoint.ts'
import { builtInUpscalers } from '../pipeline/library.ts'
import type { Studio } from '../pipeline/studio.ts'

/** Names of the models at hand, for lists to choose from. */
export interface Names {
  readonly checkpoints: readonly string[]
  readonly upscalers: readonly string[]
}

export function namesOf({ library }: Pick<Studio, 'library'>): Names {
  return {
    checkpoints: library.checkpoints().map(checkpointTitle),
    upscalers: [...builtInUpscalers, ...library.upscalers().map(({ stem }) => stem)],
  }
}
