import type { Rgb8 } from '../image/picture.ts'
import type { Facts } from '../pipeline/infotext.ts'
import type { Postprocessing } from '../pipeline/postprocess.ts'
import type { ByProductKind, Recipe } from '../pipeline/recipe.ts'
import type { GenerationInfo } from '../pipeline/wire/info.ts'
import type { Endpoint } from '../pipeline/wire/request.ts'
import type { PictureTask } from '../scripts/painter.ts'

/**
 * Every kind of work a queue takes: what describes it, and what comes of it. Both cross process boundaries and lie in
 * the journal, so they are plain data: objects, arrays, maps, sets, typed arrays, dates, no functions or classes.
 *
 * A further kind is a line here and a runner in `worker/runners.ts`.
 */
export interface TaskKinds {
  generate: { readonly task: GenerateTask; readonly result: GenerateResult }
  script: { readonly task: ScriptTask; readonly result: ScriptResult }
  postprocess: { readonly task: PostprocessTask; readonly result: PostprocessResult }
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

/** Run a script of A1111's: many recipes of one request, and what it puts together from their pictures. */
export interface ScriptTask {
  readonly kind: 'script'
  readonly request: PictureTask
  /** The checkpoint it begins with, where that is known. */
  readonly checkpoint: string | undefined
  readonly preview: PreviewWish
}

export interface ScriptResult {
  /** Pictures as they were finished. */
  readonly pictures: readonly MadePicture[]
  /** PNG files of the reply in its order, grids included. */
  readonly outputs: readonly string[]
  readonly info: GenerationInfo
  readonly notes: readonly string[]
}

/** Work on finished pictures: A1111's extras. */
export interface PostprocessTask {
  readonly kind: 'postprocess'
  readonly pictures: readonly Rgb8[]
  readonly settings: Postprocessing
}

export interface PostprocessResult {
  readonly pictures: readonly MadePicture[]
  /** PNG files in the order of the task's pictures. */
  readonly outputs: readonly string[]
  /** What is to be told of each. */
  readonly infotexts: readonly string[]
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
  /** What follows an inpainted picture in the answer, in order; pictures of old journals do not say. */
  readonly byProducts?: readonly MadeByProduct[]
  /** Where it was saved for good, as an absolute path on the machine that saves. */
  readonly savedPath: string | undefined
}

/** A PNG that goes out beside a picture, without infotext. */
export interface MadeByProduct {
  readonly kind: ByProductKind
  readonly file: string
}

/** Every file of a picture, by name: itself, and what was kept beside it. */
export function filesOf({ file, firstPassFile, byProducts = [] }: MadePicture): string[] {
  return [file, ...(firstPassFile === undefined ? [] : [firstPassFile]), ...byProducts.map((each) => each.file)]
}

/** The checkpoint that a task needs in memory: jobs go to whoever holds it already. */
export function checkpointOf(task: Task): string | undefined {
  if (task.kind === 'generate') return task.recipe.checkpoint.path
  return task.kind === 'script' ? task.checkpoint : undefined
}

/** A few words that tell a task from others. */
export function titleOf(task: Task): string {
  const prompt = promptOf(task)
  // Cut between characters: half of one cannot be written down.
  const characters = [...prompt.slice(0, 2 * longestTitle)]
  return characters.length <= longestTitle ? characters.join('') : `${characters.slice(0, longestTitle - 1).join('')}…`
}

function promptOf(task: Task): string {
  if (task.kind === 'generate') return task.recipe.images[0]?.prompt ?? ''
  if (task.kind === 'postprocess') return task.settings.upscaler
  const { prompt, script_name } = task.request.body
  return [script_name, prompt].filter((part) => typeof part === 'string').join(': ')
}

const longestTitle = 120
