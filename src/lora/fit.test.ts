import { describe, expect, test } from 'vitest'
import { entry, file, layerOf, toQ } from '../../test/lora/networkFile.ts'
import { openWeights } from '../files/openWeights.ts'
import type { WeightEntry } from '../files/weights.ts'
import { compVisWeights } from '../models/compVisWeights.ts'
import { fitNetwork } from './fit.ts'
import { openNetwork } from './network.ts'

const golden = (name: string) =>
  openWeights(new URL(`../../test/golden/models/${name}.safetensors`, import.meta.url).pathname)
const sd1 = compVisWeights(golden('tiny-sd1'))
const toQPath = 'model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q'

describe('a network file', () => {
  test('tells its names, layers and what it cannot read', () => {
    const network = openNetwork(
      file([...layerOf(2), entry('lora_unet_x.mystery', [1]), entry('junk', [1])], { ss_output_name: 'other' }),
    )
    expect(network).toMatchObject({ name: 'some', alias: 'other', unknown: ['lora_unet_x.mystery', 'junk'] })
    expect(network.modules).toMatchObject([{ target: 'unet', layer: toQ, family: 'lora' }])
  })

  test('may carry textual inversions', () => {
    const network = openNetwork(file([entry('bundle_emb.trigger.string_to_param.*', [2, 96])]))
    expect([...network.embeddings].map(([trigger, tensors]) => [trigger, ...tensors.keys()])).toEqual([
      ['trigger', 'string_to_param.*'],
    ])
  })

  test('without any adapter is refused, with the number of its tensors', () => {
    const tensors = Array.from({ length: 5000 }, (_, i) => entry(`unknown.${i}`, [1]))
    expect(() => openNetwork(file(tensors))).toThrow(/none of its 5000 tensors belongs to a LoRA/)
    expect(() => openNetwork(golden('tiny-sd1'))).toThrow(expect.objectContaining({ code: 'wrong-architecture' }))
  })
})

describe('fitting a network to a model', () => {
  test('finds every layer of the recorded ones', () => {
    const lora = fitNetwork(openNetwork(golden('lora/tinylora')), sd1)
    expect(lora.layers.size).toBe(264)
    const locon = fitNetwork(openNetwork(golden('lora/tinylocon')), sd1)
    expect([locon.layers.size, locon.unmatched]).toEqual([54, []])
  })

  test('takes a scale of 1 where there is no alpha, and alpha / rank where there is', () => {
    const scale = (entries: readonly WeightEntry[], metadata = {}) =>
      fitNetwork(openNetwork(file(entries, metadata)), sd1).layers.get(toQPath)
    expect(scale(layerOf(4))).toMatchObject({ scale: 1 })
    expect(scale([...layerOf(4), entry(`lora_unet_${toQ}.alpha`, [], 2)])).toMatchObject({ scale: 0.5 })
    expect(
      scale([...layerOf(4), entry(`lora_unet_${toQ}.alpha`, [], 2), entry(`lora_unet_${toQ}.scale`, [], 3)]),
    ).toMatchObject({ scale: 3 })
    const settings = { lora_adapter_metadata: JSON.stringify({ 'unet.lora_alpha': 8, 'unet.alpha_pattern': { x: 1 } }) }
    expect(scale(layerOf(4), settings)).toMatchObject({ scale: 2 })
    expect(scale(layerOf(4), { lora_adapter_metadata: '[broken' })).toMatchObject({ scale: 1 })
  })

  test('lets layers of rank 0 change nothing', () => {
    expect(fitNetwork(openNetwork(file(layerOf(0))), sd1).layers.size).toBe(0)
  })

  test('gives the channels only inpainting models have columns of zeros', () => {
    const path = 'model.diffusion_model.input_blocks.0.0'
    const inpainting = new Map(sd1).set(`${path}.weight`, entry(`${path}.weight`, [32, 9, 3, 3]))
    const conv = [
      entry('lora_unet_conv_in.lora_down.weight', [2, 4, 3, 3]),
      entry('lora_unet_conv_in.lora_up.weight', [32, 2, 1, 1]),
    ]
    const adapter = fitNetwork(openNetwork(file(conv)), inpainting).layers.get(path)
    if (adapter?.family !== 'lora') throw new Error('not a LoRA')
    expect(adapter.down.shape).toEqual([81, 2])
    expect([...adapter.down.data]).toEqual([...Array(72).fill(1), ...Array(90).fill(0)])
  })

  test('refuses one for another model, with counts and the first layer that differs', () => {
    const sdxl = [
      ...layerOf(2, 640, 'lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q'),
      ...layerOf(2, 640, 'lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q'),
      ...layerOf(2, 768, 'lora_te1_text_model_encoder_layers_0_self_attn_q_proj'),
      ...layerOf(2, 1280, 'lora_te2_text_model_encoder_layers_0_self_attn_q_proj'),
    ]
    expect(() => fitNetwork(openNetwork(file(sdxl)), sd1)).toThrow(
      /made for SDXL, not for this model: of 4 adapted layers 2 are unknown and 2 have another shape; input_blocks_4_1\S+ is lora_down \[2, 640\], lora_up \[640, 2\], the model's layer is \[64, 64\]/,
    )
    expect(() => fitNetwork(openNetwork(file(sdxl.slice(6))), sd1)).toThrow(/of 1 adapted layers 1 are unknown and 0/)
    const flux = layerOf(2, 3072, 'transformer.single_transformer_blocks.0.attn.to_q')
    expect(() => fitNetwork(openNetwork(file(flux)), sd1)).toThrow(/made for a transformer model/)
  })

  test('reports layers the model lacks where most are there', () => {
    const entries = [
      ...layerOf(2),
      ...layerOf(2, 32, `lora_unet_${toQ.replace('to_q', 'to_k')}`),
      ...layerOf(2, 32, 'lora_unet_elsewhere'),
    ]
    const { layers, unmatched } = fitNetwork(openNetwork(file(entries)), sd1)
    expect([layers.size, unmatched.map(({ layer }) => layer)]).toEqual([2, ['elsewhere']])
  })

  test('refuses numbers that are none, naming the tensor', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const [down, up] = layerOf(2)
      const broken = entry(up!.name, up!.shape, (i) => (i === 5 ? bad : 1))
      expect(() => fitNetwork(openNetwork(file([down!, broken])), sd1)).toThrow(
        expect.objectContaining({ code: 'not-a-number', field: up!.name }),
      )
    }
  })

  test('refuses tensors that disagree with each other', () => {
    const [down, up] = [
      entry(`lora_unet_${toQ}.lora_down.weight`, [3, 32]),
      entry(`lora_unet_${toQ}.lora_up.weight`, [32, 2]),
    ]
    expect(() => fitNetwork(openNetwork(file([down, up])), sd1)).toThrow(
      expect.objectContaining({ code: 'wrong-architecture' }),
    )
    const alpha = entry(`lora_unet_${toQ}.alpha`, [2])
    expect(() => fitNetwork(openNetwork(file([...layerOf(2), alpha])), sd1)).toThrow(
      /alpha holds 2 numbers, expected one/,
    )
    const huge = file([entry(`oft_unet_${toQ}.oft_blocks`, [1, 2048, 2048])])
    const wide = new Map(sd1).set(`${toQPath}.weight`, entry(`${toQPath}.weight`, [2048, 1]))
    expect(() => fitNetwork(openNetwork(huge), wide)).toThrow(expect.objectContaining({ code: 'too-large' }))
  })
})
