import { describe, expect, test } from 'vitest'
import { entry, file, layerOf, toQ } from '../../test/lora/networkFile.ts'
import { openWeights } from '../files/openWeights.ts'
import { compVisWeights } from '../models/compVisWeights.ts'
import { fitNetwork } from './fit.ts'
import { openNetwork } from './network.ts'
import { planNetworks } from './plan.ts'

const path = new URL('../../test/golden/models/tiny-sd1.safetensors', import.meta.url).pathname
const sd1 = compVisWeights(openWeights(path))
const toQPath = 'model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q'

describe('planning networks', () => {
  const lora = fitNetwork(openNetwork(file(layerOf(4))), sd1)
  const ia3 = fitNetwork(
    openNetwork(file([entry(`lora_unet_${toQ}.weight`, [32]), entry(`lora_unet_${toQ}.on_input`, [], 0)])),
    sd1,
  )
  const full = fitNetwork(openNetwork(file([entry(`lora_unet_${toQ}.diff`, [32, 32])])), sd1)
  const families = (uses: Parameters<typeof planNetworks>[0]) => {
    const { merges, branches } = planNetworks(uses)
    return {
      merged: (merges.get(toQPath) ?? []).map(({ adapter }) => adapter.family),
      beside: (branches.get(toQPath) ?? []).map(({ adapter }) => adapter.family),
    }
  }
  const at = (unet: number | readonly number[]) => ({ text: 1, unet })

  test('runs low-rank ones beside the layer and merges the others', () => {
    expect(
      families([
        { network: lora, ...at(1) },
        { network: full, ...at(1) },
      ]),
    ).toEqual({ merged: ['full'], beside: ['lora'] })
  })

  test('merges everything before one whose change depends on the weight', () => {
    const uses = [
      { network: lora, ...at(0.5) },
      { network: ia3, ...at(1) },
      { network: lora, ...at(0.25) },
    ]
    expect(families(uses)).toEqual({ merged: ['lora', 'ia3'], beside: ['lora'] })
  })

  test('leaves out what has no strength', () => {
    expect(
      families([
        { network: ia3, ...at(0) },
        { network: lora, ...at([0, 0]) },
      ]),
    ).toEqual({ merged: [], beside: [] })
    const blocks = new Map([
      ['BASE', 1],
      ['IN02', 1],
    ])
    expect(families([{ network: lora, ...at(1), blocks }])).toEqual({ merged: [], beside: [] })
  })

  test('multiplies strengths with those of the block', () => {
    const blocks = new Map([['IN01', 0.5]])
    const [branch] = planNetworks([{ network: lora, ...at([1, -2]), blocks }]).branches.get(toQPath)!
    expect(branch!.strength).toEqual([0.5, -1])
  })

  test('keeps the first ranks, at the scale of all', () => {
    const [branch] = planNetworks([{ network: lora, ...at(1), dyn: 2 }]).branches.get(toQPath)!
    expect(branch!.adapter).toMatchObject({ up: { shape: [2, 32] }, down: { shape: [32, 2] }, scale: 1 })
  })

  test('cannot merge at several strengths in one batch', () => {
    expect(() => planNetworks([{ network: ia3, ...at([1, 0.5]) }])).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    )
    expect(families([{ network: ia3, ...at([0.5, 0.5]) }])).toEqual({ merged: ['ia3'], beside: [] })
  })
})
