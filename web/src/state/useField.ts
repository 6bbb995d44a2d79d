import { change, useForm } from './formStore.ts'
import type { RecipeForm } from './recipeForm.ts'
import { useStudio } from './studioStore.ts'

/** One value of the form, how to set it, and what the server found wrong with it. */
export function useField<K extends keyof RecipeForm>(name: K) {
  const value = useForm((form) => form[name])
  const error = useStudio(({ trouble }) => (trouble?.control === name ? trouble.message : undefined))
  return { value, error, set: (next: RecipeForm[K]) => change({ [name]: next }) }
}
