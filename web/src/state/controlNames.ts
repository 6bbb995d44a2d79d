import type { Texts } from '../i18n/english.ts'
import type { RecipeForm } from './recipeForm.ts'

type PlainText = { [K in keyof Texts]: Texts[K] extends string ? K : never }[keyof Texts]

/** What each control is called. */
export const controlNames: Readonly<Record<keyof RecipeForm, PlainText>> = {
  checkpoint: 'checkpoint',
  vae: 'vae',
  prompt: 'prompt',
  negativePrompt: 'negativePrompt',
  styles: 'styles',
  sampler: 'sampler',
  scheduler: 'scheduler',
  steps: 'steps',
  cfgScale: 'cfgScale',
  width: 'width',
  height: 'height',
  seed: 'seed',
  batchCount: 'batchCount',
  batchSize: 'batchSize',
  clipSkip: 'clipSkip',
  tiling: 'tiling',
  hasVariation: 'variation',
  variationSeed: 'variationSeed',
  variationStrength: 'variationStrength',
  hasHires: 'hires',
  hiresUpscaler: 'hiresUpscaler',
  hiresScale: 'hiresScale',
  hiresSteps: 'hiresSteps',
  hiresDenoising: 'hiresDenoising',
}
