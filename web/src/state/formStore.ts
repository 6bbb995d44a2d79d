import { create } from 'zustand'
import { fitting, formDefaults, type RecipeForm } from './recipeForm.ts'

const kept = 'athanor.txt2img'

/** The form of the txt2img tab; it outlives the page. */
export const useForm = create<RecipeForm>(() => formDefaults)

/** Begins with what was entered last. */
export function startForm(): void {
  useForm.setState({ ...formDefaults, ...fitting(readKept()) })
  useForm.subscribe((form) => localStorage.setItem(kept, JSON.stringify(form)))
}

export function change(changes: Partial<RecipeForm>): void {
  useForm.setState(changes)
}

/** Everything but the words and the models. */
export function resetParameters(): void {
  const { prompt, negativePrompt, checkpoint, vae, styles } = useForm.getState()
  useForm.setState({ ...formDefaults, prompt, negativePrompt, checkpoint, vae, styles })
}

function readKept(): unknown {
  try {
    return JSON.parse(localStorage.getItem(kept) ?? 'null')
  } catch {
    return null
  }
}
