import { expect, test } from 'vitest'
import { sd1 } from '../models/configs.ts'
import { modelLayout } from '../models/layout.ts'
import { initialParameters } from './initialise.ts'

const config = {
  ...sd1,
  text: { ...sd1.text, layers: 2, width: 64, heads: 2, mlpWidth: 256, vocabulary: 500 },
  unet: { ...sd1.unet, channels: 32, mult: [1, 2], attention: [true, true], resBlocks: 1, contextWidth: 64 },
  vae: { ...sd1.vae, channels: 32, mult: [1, 2] },
}
const shapes = modelLayout(config)
const parameters = initialParameters(shapes, 7)
const of = (name: string) => parameters.get(name)!.data
const deviation = (data: Float32Array) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length)

test('norms begin as 1 and 0', () => {
  for (const norm of [
    'model.diffusion_model.out.0',
    'first_stage_model.decoder.norm_out',
    'cond_stage_model.transformer.text_model.final_layer_norm',
  ]) {
    expect(of(`${norm}.weight`).every((x) => x === 1)).toBe(true)
    expect(of(`${norm}.bias`).every((x) => x === 0)).toBe(true)
  }
})

test('layers are uniform in ±1/√fan-in, their biases too', () => {
  const bound = 1 / Math.sqrt(32 * 9)
  for (const part of ['weight', 'bias']) {
    const data = of(`first_stage_model.decoder.up.0.block.0.conv2.${part}`)
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(bound)
    expect(Math.max(...data.map(Math.abs))).toBeGreaterThan(0.8 * bound)
  }
  expect(deviation(of('first_stage_model.decoder.up.0.block.0.conv2.weight'))).toBeCloseTo(bound / Math.sqrt(3), 3)
})

test('a UNet begins by predicting 0, from blocks that change nothing', () => {
  for (const layer of ['out.2', 'input_blocks.1.0.out_layers.3', 'middle_block.1.proj_out']) {
    expect(of(`model.diffusion_model.${layer}.weight`).every((x) => x === 0)).toBe(true)
  }
  expect(deviation(of('model.diffusion_model.input_blocks.1.0.in_layers.2.weight'))).toBeGreaterThan(0)
  expect(deviation(of('first_stage_model.decoder.mid.attn_1.proj_out.weight'))).toBeGreaterThan(0)
})

test('the text encoder has the deviations of CLIP', () => {
  const layer = 'cond_stage_model.transformer.text_model.encoder.layers.0'
  const close = (name: string, expected: number) => expect(deviation(of(name)) / expected).toBeCloseTo(1, 1)
  close('cond_stage_model.transformer.text_model.embeddings.token_embedding.weight', 0.02)
  close('cond_stage_model.transformer.text_model.embeddings.position_embedding.weight', 0.01)
  close(`${layer}.self_attn.q_proj.weight`, 64 ** -0.5)
  close(`${layer}.self_attn.out_proj.weight`, 64 ** -0.5 / 2)
  close(`${layer}.mlp.fc1.weight`, 128 ** -0.5)
  close(`${layer}.mlp.fc2.weight`, 64 ** -0.5 / 2)
})

test('a parameter depends on the seed and its own name, not on its neighbours', () => {
  const name = 'model.diffusion_model.time_embed.0.weight'
  const alone = initialParameters(new Map([[name, shapes.get(name)!]]), 7).get(name)!
  expect(alone.data).toEqual(of(name))
  expect(initialParameters(new Map([[name, shapes.get(name)!]]), 8).get(name)!.data).not.toEqual(of(name))
  expect(of('model.diffusion_model.time_embed.2.weight').subarray(0, 9)).not.toEqual(alone.data.subarray(0, 9))
})
