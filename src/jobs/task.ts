import type { Facts } from '../pipeline/infotext.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import type { Endpoint } from '../pipeline/wire/request.ts'

/**
 * Every kind of work a queue takes: what describes it, and what comes of it. Both cross process boundaries and lie in
 * the journal, so they are plain data: objects, arrays, maps, sets, typed arrays, dates, no functions or classes.
 *
 * A further kind is a line here and a runner in `worker/runners.ts`.
 */
export interface TaskKinds {
  generate: { readonly task: GenerateTask; readonly result: GenerateResult }
}

export type TaskKind = keyof TaskKinds
export type TaskOf<K extends TaskKind> = TaskKinds[K]['task']
export type ResultOf<K extends TaskKind> = TaskKinds[K]['result']
export type Task = TaskOf<TaskKind>

/** Make the pictures of a recipe. */
export interface GenerateTask {
  readonly kind: 'generate'
  readonly endpoint: Endpoint
  readonly recipe: Recipe
  /** Pictures are also saved where the recipe says, and listed in the gallery; else they are kept with the job alone. */
  readonly saving: boolean
  readonly preview: PreviewWish
}

/** How often a job shows what is coming. */
export interface PreviewWish {
  /** Steps between two previews; 0 for none. */
  readonly everySteps: number
}

export interface GenerateResult {
  /** In the job's order; after an interrupt or a skip some may be missing or unfinished. */
  readonly pictures: readonly MadePicture[]
  /** The recipe's checkpoint with its hash, once known. */
  readonly checkpoint: Recipe['checkpoint']
  /** What came up on the way and infotexts tell: A1111's `extra_generation_params` begins with these. */
  readonly facts: Facts
  readonly usesInpaintingConditioning: boolean
  readonly isInterrupted: boolean
  /** When the work began: A1111's `job_timestamp`. */
  readonly jobTime: Date
}

/** A finished picture of a job. */
export interface MadePicture {
  /** Position in the job, counted from 0. */
  readonly index: number
  readonly width: number
  readonly height: number
  readonly seed: number
  readonly infotext: string
  /** A PNG with the infotext, to be had from `JobQueue.file`. */
  readonly file: string
  /** The picture before it was enlarged, where that was to be kept. */
  readonly firstPassFile: string | undefined
  /** Where it was saved for good, as an absolute path on the machine that saves. */
  readonly savedPath: string | undefined
}

/** The checkpoint that a task needs in memory: jobs go to whoever holds it already. */
export function checkpointOf(task: Task): string | undefined {
  return task.recipe.checkpoint.path
}

/** A few words that tell a task from others. */
export function titleOf(task: Task): string {
  const prompt = task.recipe.images[0]?.prompt ?? ''
  // Cut between characters: half of one cannot be written down.
  const characters = [...prompt.slice(0, 2 * longestTitle)]
  return characters.length <= longestTitle ? characters.join('') : `${characters.slice(0, longestTitle - 1).join('')}…`
}

const longestTitle = 120
