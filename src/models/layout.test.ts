import { expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { readSidecars } from '../files/sidecars.ts'
import { sizeOf } from '../tensor/shape.ts'
import { sd1, sd2 } from './configs.ts'
import { detectModel } from './detect.ts'
import { type Layout, modelLayout, textLayout, unetLayout, vaeLayout } from './layout.ts'

const parameters = (layout: Layout) => [...layout.values()].reduce((sum, shape) => sum + sizeOf(shape), 0)

// Parameter counts as published: diffusers' models of runwayml/stable-diffusion-v1-5 and stabilityai/stable-diffusion-2-1.
test('the published models have as many parameters as is known of them', () => {
  expect(parameters(unetLayout(sd1.unet))).toBe(859_520_964)
  expect(parameters(vaeLayout(sd1.vae))).toBe(83_653_863)
  expect(parameters(textLayout(sd1.text))).toBe(123_060_480)
  expect(parameters(unetLayout(sd2.unet))).toBe(865_910_724)
  expect(parameters(textLayout({ ...sd2.text, layers: 23 }))).toBe(340_387_840)
})

test.each(['tiny-sd1', 'tiny-sd2v'])('%s holds the tensors of the layout, and beside them none of a model', (name) => {
  const path = `test/golden/models/${name}.safetensors`
  const { config, weights } = detectModel(openWeights(path), readSidecars(path))
  const layout = modelLayout(config)
  for (const [tensor, shape] of layout) expect([tensor, weights.get(tensor)?.shape]).toEqual([tensor, shape])
  const beside = [...weights.keys()].filter((tensor) => !layout.has(tensor) && /\.(?!model_ema)/.test(tensor))
  for (const tensor of beside) expect(tensor).toMatch(/position_ids$|text_projection$|logit_scale$/)
})
