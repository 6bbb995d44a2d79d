import { expect, test } from 'vitest'
import { controlOf, fitting, formDefaults, formOf, type RecipeForm, requestOf } from './recipeForm.ts'

const filled: RecipeForm = {
  ...formDefaults,
  checkpoint: 'models/a.safetensors [0123456789]',
  vae: 'b.pt',
  prompt: 'a cat',
  negativePrompt: 'a dog',
  styles: ['ink'],
  sampler: 'Euler a',
  scheduler: 'Karras',
  steps: 31,
  cfgScale: 4.5,
  width: 640,
  height: 448,
  seed: 7,
  batchCount: 2,
  batchSize: 3,
  clipSkip: 2,
  tiling: true,
  hasVariation: true,
  variationSeed: 8,
  variationStrength: 0.25,
  hasHires: true,
  hiresUpscaler: 'Lanczos',
  hiresScale: 1.5,
  hiresSteps: 9,
  hiresDenoising: 0.4,
}

test('a form asks in the field names of stable-diffusion-webui', () => {
  expect(requestOf(filled)).toEqual({
    prompt: 'a cat',
    negative_prompt: 'a dog',
    styles: ['ink'],
    sampler_name: 'Euler a',
    scheduler: 'Karras',
    steps: 31,
    cfg_scale: 4.5,
    width: 640,
    height: 448,
    seed: 7,
    n_iter: 2,
    batch_size: 3,
    tiling: true,
    subseed: 8,
    subseed_strength: 0.25,
    enable_hr: true,
    hr_upscaler: 'Lanczos',
    hr_scale: 1.5,
    hr_second_pass_steps: 9,
    denoising_strength: 0.4,
    override_settings: {
      sd_model_checkpoint: 'models/a.safetensors [0123456789]',
      sd_vae: 'b.pt',
      CLIP_stop_at_last_layers: 2,
    },
  })
})

test('what is switched off is not asked for', () => {
  const request = requestOf({ ...filled, hasHires: false, hasVariation: false, checkpoint: '' })
  expect(Object.keys(request).filter((field) => /^(enable_hr|hr_|denoising|subseed)/.test(field))).toEqual([])
  expect(request.override_settings).not.toHaveProperty('sd_model_checkpoint')
})

test('a request leads back to the form it came from', () => {
  expect({ ...formDefaults, ...formOf(requestOf(filled)) }).toEqual(filled)
})

test('a request that mentions neither hires fix nor variation switches both off', () => {
  const form = { ...filled, ...formOf({ prompt: 'a bird', steps: 5 }) }
  expect(form).toMatchObject({ prompt: 'a bird', steps: 5, hasHires: false, hasVariation: false, negativePrompt: '' })
})

test('what an infotext writes out is read as what it stands for', () => {
  const request = { seed: '1234', cfg_scale: '4.5', steps: 'many', override_settings: { tiling: 'True' } }
  expect(formOf(request)).toMatchObject({ seed: 1234, cfgScale: 4.5, tiling: true })
  expect(formOf(request)).not.toHaveProperty('steps')
})

test('values that a form cannot have are left out', () => {
  const odd = { steps: '20', width: Number.NaN, prompt: 'x', styles: [1], isAdmin: true, tiling: 1, seed: 5 }
  expect(fitting(odd)).toEqual({ prompt: 'x', seed: 5 })
  expect([fitting(null), fitting('text'), fitting([])]).toEqual([{}, {}, {}])
})

test('an error finds the control it is about, by any name the server has for it', () => {
  const fields = ['steps', 'n_iter', 'styles[0]', 'override_settings.sd_vae', 'sd_vae', 'hr_scale', 'toString']
  expect(fields.map(controlOf)).toEqual([...['steps', 'batchCount', 'styles', 'vae', 'vae', 'hiresScale'], undefined])
})

test('numbers that an infotext has as text are numbers of the form', () => {
  const said = formOf({
    prompt: 'a cat',
    seed: '1234',
    steps: '4',
    override_settings: { CLIP_stop_at_last_layers: '2' },
  })
  expect(said).toMatchObject({ seed: 1234, steps: 4, clipSkip: 2 })
})
