import type { Recipe } from '../pipeline/recipe.ts'
import type { Endpoint } from '../pipeline/wire/request.ts'
import type { GenerateTask } from './task.ts'

/** The task of making a recipe's pictures: kept with the job alone, with a preview at every step, unless told otherwise. */
export function generateTask(
  endpoint: Endpoint,
  recipe: Recipe,
  { saving = false, preview = { everySteps: 1 } }: Partial<Pick<GenerateTask, 'saving' | 'preview'>> = {},
): GenerateTask {
  return { kind: 'generate', endpoint, recipe, saving, preview }
}
