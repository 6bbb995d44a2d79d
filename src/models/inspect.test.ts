import { describe, expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { readSidecars } from '../files/sidecars.ts'
import type { WeightFile } from '../files/weights.ts'
import type { DType } from '../tensor/dtype.ts'
import { sizeOf } from '../tensor/shape.ts'
import { sd1, sd2 } from './configs.ts'
import { inspectWeights } from './inspect.ts'
import { modelLayout } from './layout.ts'

const models = 'test/golden/models'
const inspected = (name: string) => inspectWeights(openWeights(`${models}/${name}`), readSidecars(`${models}/${name}`))

function fileOf(
  tensors: Iterable<readonly [string, readonly number[], DType?]>,
  more: Partial<WeightFile> = {},
): WeightFile {
  const entries = [...tensors].map(([name, shape, dtype = 'F16']) => {
    const location = { path: 'x', offset: 0 }
    return [name, { name, dtype, shape, sizeBytes: 2 * sizeOf(shape), location }] as const
  })
  return { path: 'x', format: 'safetensors', metadata: new Map(), entries: new Map(entries), foreign: [], ...more }
}

describe('a checkpoint', () => {
  test('is named by family and variant, with its numbers and how much of what it holds', () => {
    const report = inspected('tiny-sd2v.safetensors')
    expect(report).toMatchObject({ format: 'safetensors', kind: 'checkpoint', warnings: [] })
    expect(report.architecture).toBe('Stable Diffusion 2.x, v-prediction')
    expect(report.checkpoint!.text.width).toBe(64)
    expect(report.total).toEqual({ tensors: 1230, parameters: 18_230_652, sizeBytes: 36_465_304 })
    expect([...report.types.keys()]).toEqual(['F16', 'F32'])
    expect([...report.groups.keys()].slice(0, 2)).toEqual(['model.diffusion_model', 'cond_stage_model.model'])
  })

  test('has warnings of all that is odd about it', () => {
    const tensors = [...modelLayout(sd2)].filter(([name]) => !name.startsWith('first_stage_model.'))
    const file = fileOf(
      [
        ...tensors,
        ['model_ema.decay', []],
        ['model.diffusion_model.extra.weight', [3, 3], 'F64'],
        ['alphas_cumprod', [1000], 'F16'],
      ],
      { foreign: [{ name: 'z', dtype: 'U32', shape: [1] }] },
    )
    expect(inspectWeights(file).warnings).toEqual([
      '1 tensors are of types that cannot be read: U32',
      '1 tensors are in double precision, which is of no use here',
      'it has no VAE of its own: one has to be chosen',
      'nothing says whether it predicts noise or v, and shapes cannot tell: a yaml beside it would',
      'its noise schedule is stored as F16, so its noise levels are rounded',
      '1 tensors of averaged weights (model_ema) are not used',
      '1 tensors are not part of the model, such as model.diffusion_model.extra.weight',
    ])
  })

  test('that cannot be used is reported all the same, with the reason', () => {
    const cut = [...modelLayout(sd1)].filter(([name]) => !name.endsWith('out.2.bias'))
    const report = inspectWeights(fileOf(cut))
    expect(report.kind).toBe('checkpoint')
    expect(report.checkpoint).toBeUndefined()
    expect(report.warnings).toEqual([expect.stringMatching(/1 of 1130 tensors are missing: .+out\.2\.bias$/)])
  })

  test('of another architecture is named too', () => {
    const report = inspectWeights(fileOf([['conditioner.embedders.0.x', [1]]]))
    expect(report.architecture).toBe('an SDXL checkpoint')
    expect(report.warnings).toEqual(['x: is an SDXL checkpoint; SD 1.x and 2.x are supported'])
  })
})

describe('a LoRA', () => {
  test('has its layers, rank and base model', () => {
    const { network, architecture, metadata } = inspected('lora/tinylora.safetensors')
    expect(architecture).toBe('a LoRA or a network of its family')
    expect(metadata.get('ss_output_name')).toBe('tinylora')
    expect(network).toEqual({
      layers: new Map([
        ['lora_te', 72],
        ['lora_unet', 192],
      ]),
      families: ['LoRA'],
      ranks: new Map([[4, 264]]),
      layersWithoutAlpha: 0,
      base: 'sd_v1-5',
    })
  })

  test('without metadata is known by the width of what its cross-attention reads', () => {
    const layer = 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2'
    const file = fileOf([
      [`${layer}.to_k.lora_A.weight`, [8, 1024]],
      [`${layer}.to_k.lora_B.weight`, [320, 8]],
      [`${layer}.processor.to_q_lora.down.weight`, [16, 320]],
    ])
    const { network, warnings } = inspectWeights(file)
    expect(network).toMatchObject({ base: 'Stable Diffusion 2.x', layersWithoutAlpha: 2 })
    expect([...network!.ranks.keys()].sort()).toEqual([16, 8])
    expect(warnings).toEqual(['2 layers have no alpha: their change counts in full'])
  })

  test('of another family is called by it', () => {
    const layer = 'lora_unet_mid_block_attentions_0_proj_in'
    const families = (...parts: string[]) =>
      inspectWeights(fileOf(parts.map((part) => [`${layer}.${part}`, [4, 4]]))).network!.families
    expect(families('hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b', 'alpha')).toEqual(['LoHa'])
    expect(families('lokr_w1', 'lokr_w2_a', 'lokr_w2_b')).toEqual(['LoKr'])
    expect(families('oft_blocks', 'alpha')).toEqual(['OFT'])
    expect(families('lora_down.weight', 'lora_up.weight', 'dora_scale')).toEqual(['LoRA', 'DoRA'])
  })
})

test('an embedding has its vectors, and what it was learnt on', () => {
  expect(inspected('embeddings/tinyemb.pt')).toMatchObject({
    kind: 'embedding',
    embedding: { name: 'tinyemb', vectors: 2, width: 96, step: 500 },
    warnings: [expect.stringMatching(/^a pickle/)],
  })
  const xl = fileOf([
    ['clip_l', [3, 768]],
    ['clip_g', [3, 1280]],
  ])
  expect(inspectWeights(xl).embedding).toMatchObject({ vectors: 3, fits: 'SDXL' })
})

test('a file of no known purpose is counted', () => {
  const report = inspectWeights(
    fileOf([
      ['fc.weight', [2, 3]],
      ['fc.bias', [2]],
    ]),
  )
  expect(report).toMatchObject({ kind: 'unknown', total: { tensors: 2, parameters: 8, sizeBytes: 16 }, warnings: [] })
})
