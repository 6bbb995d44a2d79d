import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { compVisWeights } from '../models/compVisWeights.ts'
import { readKey } from './keys.ts'
import { layerNames } from './layerNames.ts'

// Recorded by scripts/goldens/networkKeys.py from diffusers and PEFT.
const { layers, styles } = JSON.parse(readFileSync(new URL('goldens/keys.json', import.meta.url), 'utf8')) as {
  layers: Record<string, string>
  styles: Record<string, string[]>
}
const tiny = (name: string) => {
  const path = new URL(`../../test/golden/models/${name}.safetensors`, import.meta.url).pathname
  return compVisWeights(openWeights(path))
}

describe('layers of a checkpoint', () => {
  test('have the names diffusers gives them', () => {
    const names = layerNames(tiny('tiny-sd1').keys())
    expect(Object.keys(layers)).toHaveLength(391)
    for (const [path, inCheckpoint] of Object.entries(layers)) {
      expect([path, names.get(`unet_${path.replaceAll('.', '_')}`)]).toEqual([path, inCheckpoint])
    }
  })

  test.each([
    [
      'tiny-sd1',
      'cond_stage_model.transformer.text_model.encoder.layers.3.',
      ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.out_proj', 'mlp.fc1', 'mlp.fc2'],
    ],
    [
      'tiny-sd2v',
      'cond_stage_model.model.transformer.resblocks.3.',
      ['attn.q_proj', 'attn.k_proj', 'attn.v_proj', 'attn.out_proj', 'mlp.c_fc', 'mlp.c_proj'],
    ],
  ])('of the text encoder of %s have the names Transformers gives them', (model, block, expected) => {
    const names = layerNames(tiny(model).keys())
    const layersOfBlock = [
      'self_attn_q_proj',
      'self_attn_k_proj',
      'self_attn_v_proj',
      'self_attn_out_proj',
      'mlp_fc1',
      'mlp_fc2',
    ]
    for (const level of ['text_text_model_', 'text_']) {
      expect(layersOfBlock.map((layer) => names.get(`${level}encoder_layers_3_${layer}`))).toEqual(
        expected.map((end) => block + end),
      )
    }
  })
})

describe('names of tensors', () => {
  test.each(Object.entries(styles))('in the spelling of %s name a layer and its part', (_, keys) => {
    const read = keys.map(readKey)
    expect(read).not.toContain(undefined)
    // Each layer has one of each part.
    expect(new Set(read.map((key) => JSON.stringify(key))).size).toBe(keys.length)
  })

  test('name the same layer in every spelling', () => {
    const layer = 'down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0'
    const unet = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1'
    for (const key of [
      `lora_unet_${layer}.lora_up.weight`,
      `lycoris_${layer}.lora_up.weight`,
      `unet.${unet}.to_out.0.lora_B.weight`,
      `unet.${unet}.to_out.0.lora_B.default.weight`,
      `base_model.model.${unet}.to_out.0.lora_B.weight`,
      `unet.${unet}.processor.to_out_lora.up.weight`,
      `unet.${unet}.to_out_lora.up.weight`,
      `${unet}.processor.to_out_lora.up.weight`,
      `unet.${unet}.to_out.0.lora.up.weight`,
      `unet.${unet}.to_out.0.lora_linear_layer.up.weight`,
    ]) {
      expect([key, readKey(key)]).toEqual([key, { target: 'unet', layer, part: 'lora_up' }])
    }
  })

  test('of a checkpoint are not mistaken for a network', () => {
    for (const name of tiny('tiny-sd1').keys()) expect([name, readKey(name)]).toEqual([name, undefined])
  })

  test('may be anything at all', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (key) => readKey(key) === undefined || key.includes('.')))
  })
})
