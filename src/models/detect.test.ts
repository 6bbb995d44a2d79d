import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readBytes } from '../files/readWeight.ts'
import { readSidecars } from '../files/sidecars.ts'
import type { PlainMap, PlainValue, WeightEntry, WeightFile } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { sizeOf } from '../tensor/shape.ts'
import { type ModelConfig, sd1, sd2 } from './configs.ts'
import { detectModel, detectVae } from './detect.ts'
import { modelLayout, vaeLayout } from './layout.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-detect-'))
afterAll(() => rmSync(folder, { recursive: true }))

const models = 'test/golden/models'
const tiny = (name: string) => openWeights(`${models}/${name}.safetensors`)

function entry(name: string, shape: readonly number[]): WeightEntry {
  return { name, dtype: 'F16', shape, sizeBytes: sizeOf(shape) * 2, location: { path: 'model.safetensors', offset: 8 } }
}

/** A file of these tensors, of which nothing but names and shapes is ever asked. */
function fileOf(shapes: Iterable<readonly [string, readonly number[]]>, more: Partial<WeightFile> = {}): WeightFile {
  const entries = new Map([...shapes].map(([name, shape]) => [name, entry(name, shape)]))
  return { path: 'models/model.safetensors', format: 'safetensors', metadata: new Map(), entries, foreign: [], ...more }
}

/** The layout as files have it: OpenCLIP's projections of query, key and value in one. */
function asPublished(config: ModelConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  for (const [name, shape] of modelLayout(config)) {
    const joint = /^(.+resblocks.+\.)([qkv])_proj\.(weight|bias)$/.exec(name)
    if (joint) shapes.set(`${joint[1]}in_proj_${joint[3]}`, [3 * shape[0]!, ...shape.slice(1)])
    else shapes.set(name, shape)
  }
  return shapes
}

const without = (shapes: Map<string, readonly number[]>, prefix: string) =>
  [...shapes].filter(([name]) => !name.startsWith(prefix))

const map = (object: object): PlainMap =>
  new Map(
    Object.entries(object).map(([key, value]: [string, PlainValue]) => [
      key,
      typeof value === 'object' && value !== null && !Array.isArray(value) ? map(value) : value,
    ]),
  )

function refusal(file: WeightFile, sidecars = {}): StudioError {
  try {
    detectModel(file, sidecars)
  } catch (error) {
    if (error instanceof StudioError) return error
    throw error
  }
  throw new Error('expected a refusal')
}

describe('the published models are told from their shapes alone:', () => {
  test('SD 1', () => {
    const found = detectModel(fileOf(asPublished(sd1)))
    expect(found.config).toEqual(sd1)
    expect(found).toMatchObject({ hasVae: true, isPredictionAssumed: false })
  })

  test('SD 2, of which it stays open what it predicts', () => {
    const found = detectModel(fileOf(asPublished(sd2)))
    expect(found.config).toEqual({ ...sd2, prediction: 'v' })
    expect(found.isPredictionAssumed).toBe(true)
  })

  test.each([
    ['SD 1', sd1],
    ['SD 2', sd2],
  ])('inpainting of %s, which predicts ε', (_, base) => {
    const inpainting = { ...base, isInpainting: true, unet: { ...base.unet, inChannels: 9 } }
    const found = detectModel(fileOf(asPublished(inpainting)))
    expect(found.config).toEqual(inpainting)
    expect(found.isPredictionAssumed).toBe(false)
  })
})

describe('what the model predicts', () => {
  const sd2File = (more: Partial<WeightFile>) => detectModel(fileOf(asPublished(sd2), more))

  test('is what the Model Spec in the metadata says', () => {
    for (const [stated, prediction] of [
      ['v', 'v'],
      ['epsilon', 'epsilon'],
    ] as const) {
      const found = sd2File({ metadata: new Map([['modelspec.prediction_type', stated]]) })
      expect(found.config.prediction).toBe(prediction)
      expect(found.isPredictionAssumed).toBe(false)
    }
  })

  test('is v where a tensor says so by its name, for SD 1 too', () => {
    const found = detectModel(fileOf([...asPublished(sd1), ['v_pred', [0]]]))
    expect(found.config.prediction).toBe('v')
  })

  test('is what the yaml says, and ε where the yaml is silent', () => {
    const yaml = (parameters: object) => ({ yaml: map({ model: { params: parameters } }) })
    const file = fileOf(asPublished(sd2))
    expect(detectModel(file, yaml({ parameterization: 'v' }))).toMatchObject({
      config: { prediction: 'v' },
      isPredictionAssumed: false,
    })
    expect(detectModel(file, yaml({}))).toMatchObject({ config: { prediction: 'epsilon' }, isPredictionAssumed: false })
  })
})

describe('the recorded models', () => {
  test('tiny-sd1 has the numbers of its yaml', () => {
    const path = `${models}/tiny-sd1.safetensors`
    const { config, alphasCumprod } = detectModel(openWeights(path), readSidecars(path))
    expect(config).toEqual({
      ...sd1,
      text: { ...sd1.text, width: 96, mlpWidth: 384 },
      unet: { ...sd1.unet, channels: 32, contextWidth: 96 },
      vae: { ...sd1.vae, channels: 32 },
    })
    expect(alphasCumprod?.shape).toEqual([1000])
  })

  test('tiny-sd2v has the numbers of its yaml, heads of 8 channels and v-prediction among them', () => {
    const path = `${models}/tiny-sd2v.safetensors`
    const { config } = detectModel(openWeights(path), readSidecars(path))
    expect(config).toEqual({
      ...sd2,
      prediction: 'v',
      text: { ...sd2.text, width: 64, mlpWidth: 256 },
      unet: { ...sd2.unet, channels: 32, contextWidth: 64, heads: { channels: 8 } },
      vae: { ...sd2.vae, channels: 32 },
    })
  })

  test('take the heads of their text encoder from the configuration the yaml names, where it lies beside', () => {
    expect(readSidecars(`${models}/tiny-sd1.safetensors`).textModel!.get('num_attention_heads')).toBe(12)
    expect(readSidecars(`${models}/tiny-sd2v.safetensors`).textModel!.get('text_cfg')).toBeInstanceOf(Map)
    const yaml = map({ model: { params: {} } })
    const textModel = map({ num_attention_heads: 24 })
    expect(detectModel(tiny('tiny-sd1'), { yaml, textModel }).config.text.heads).toBe(24)
  })

  test('split the joint projections of OpenCLIP into runs of the very bytes', () => {
    const file = tiny('tiny-sd2v')
    const { weights } = detectModel(file, readSidecars(`${models}/tiny-sd2v.safetensors`))
    const attention = 'cond_stage_model.model.transformer.resblocks.5.attn.'
    for (const end of ['weight', 'bias']) {
      const joint = readBytes(file.entries.get(`${attention}in_proj_${end}`)!)
      const parts = ['q_proj', 'k_proj', 'v_proj'].map((part) => weights.get(`${attention}${part}.${end}`)!)
      expect(parts.every(({ location }) => 'offset' in location)).toBe(true)
      expect(Buffer.concat(parts.map(readBytes)).equals(joint)).toBe(true)
    }
  })
})

describe('other ways of writing a checkpoint', () => {
  /** A model small enough to write, with numbers of its own in every tensor. */
  const small: ModelConfig = {
    ...sd1,
    text: { ...sd1.text, layers: 2, width: 24, mlpWidth: 48, vocabulary: 10, tokens: 7 },
    unet: { ...sd1.unet, channels: 8, contextWidth: 24, heads: { count: 4 } },
    vae: { ...sd1.vae, channels: 8 },
  }
  const weightsOf = (config: ModelConfig) => {
    let seed = 1
    return [...modelLayout(config)].map(([name, shape]): WeightEntry => {
      const bytes = new Uint8Array(sizeOf(shape) * 2).map(() => {
        seed = (seed * 48271) % 2147483647
        return seed & 0x3f
      })
      return { name, dtype: 'F16', shape, sizeBytes: bytes.length, location: { bytes } }
    })
  }
  const pairs: Record<string, [string, string][]> = JSON.parse(
    readFileSync('src/models/goldens/diffusers-names.json', 'utf8'),
  )
  const places = {
    unet: ['unet', 'model.diffusion_model.'],
    vae: ['vae', 'first_stage_model.'],
    clip: ['text_encoder', 'cond_stage_model.transformer.text_model.'],
  } as const

  /** The tensors of each component under diffusers' names. */
  function inDiffusers(weights: readonly WeightEntry[]): Map<string, WeightEntry[]> {
    const components = new Map<string, WeightEntry[]>()
    for (const [part, [component, prefix]] of Object.entries(places)) {
      const names = new Map(pairs[part]!.map(([name, inCheckpoint]) => [prefix + inCheckpoint, name]))
      const found = weights.filter(({ name }) => names.has(name))
      components.set(
        component,
        found.map((weight) => ({ ...weight, name: names.get(weight.name)! })),
      )
    }
    return components
  }

  const configs = {
    unet: { _class_name: 'UNet2DConditionModel', attention_head_dim: 4, block_out_channels: [8, 16, 32, 32] },
    vae: { _class_name: 'AutoencoderKL', scaling_factor: 0.18215 },
    text_encoder: { architectures: ['CLIPTextModel'], num_attention_heads: 12, hidden_act: 'quick_gelu' },
  }

  function expectSame(found: ReadonlyMap<string, WeightEntry>, weights: readonly WeightEntry[]) {
    for (const weight of weights) {
      expect(Buffer.from(readBytes(found.get(weight.name)!)).equals(readBytes(weight))).toBe(true)
    }
  }

  function writeFolder(name: string): string {
    const path = join(folder, name)
    for (const [component, config] of Object.entries(configs)) {
      mkdirSync(join(path, component), { recursive: true })
      writeFileSync(join(path, component, 'config.json'), JSON.stringify(config))
    }
    writeFileSync(join(path, 'model_index.json'), '{"_class_name":"StableDiffusionPipeline"}')
    mkdirSync(join(path, 'scheduler'))
    const scheduler = { prediction_type: 'v_prediction', beta_schedule: 'scaled_linear', beta_start: 0.001 }
    writeFileSync(join(path, 'scheduler', 'scheduler_config.json'), JSON.stringify(scheduler))
    return path
  }

  const weights = weightsOf(small)
  const expected = { ...small, prediction: 'v', betas: { ...small.betas, start: 0.001 } }

  test('a diffusers folder gives the same model', () => {
    const path = writeFolder('pipeline')
    for (const [component, tensors] of inDiffusers(weights)) {
      const file = component === 'text_encoder' ? 'model' : 'diffusion_pytorch_model'
      writeSafetensors(join(path, component, `${file}.safetensors`), tensors)
      writeSafetensors(join(path, component, `${file}.fp16.safetensors`), [])
    }
    const found = detectModel(openWeights(path))
    expect(found.config).toEqual(expected)
    expectSame(found.weights, weights)
  })

  test('a diffusers folder may be cut into shards', () => {
    const path = writeFolder('shards')
    for (const [component, tensors] of inDiffusers(weights)) {
      const file = component === 'text_encoder' ? 'model' : 'diffusion_pytorch_model'
      const weight_map: Record<string, string> = {}
      for (const [shard, from, to] of [
        ['1-of-2', 0, 50],
        ['2-of-2', 50, undefined],
      ] as const) {
        const part = tensors.slice(from, to)
        for (const { name } of part) weight_map[name] = `${file}-${shard}.safetensors`
        writeSafetensors(join(path, component, `${file}-${shard}.safetensors`), part)
      }
      writeFileSync(join(path, component, `${file}.safetensors.index.json`), JSON.stringify({ weight_map }))
    }
    expectSame(detectModel(openWeights(path)).weights, weights)
  })

  test('an index of shards cannot lead out of its folder', () => {
    const path = writeFolder('escape')
    const index = { weight_map: { x: '../../secret.safetensors' } }
    writeFileSync(join(path, 'unet', 'diffusion_pytorch_model.safetensors.index.json'), JSON.stringify(index))
    expect(() => openWeights(path)).toThrow(/names "..\/..\/secret.safetensors" as a file/)
  })

  test('one file with the names of a diffusers pipeline gives the same model', () => {
    const tensors = [...inDiffusers(weights)].flatMap(([component, all]) =>
      all.map((weight) => ({ ...weight, name: `${component}.${weight.name}` })),
    )
    const path = join(folder, 'single.safetensors')
    writeSafetensors(path, tensors)
    const found = detectModel(openWeights(path), {
      yaml: map({ model: { params: { unet_config: { params: { num_heads: 4 } } } } }),
    })
    expect(found.config).toEqual(small)
    expectSame(found.weights, weights)
  })

  test('a text encoder of the time before it had text_model in its names is found', () => {
    const shapes = [...asPublished(sd1)].map(
      ([name, shape]) => [name.replace('transformer.text_model.', 'transformer.'), shape] as const,
    )
    expect(detectModel(fileOf(shapes)).config).toEqual(sd1)
  })

  test('a VAE is found in a checkpoint, alone with and without its prefix, and as diffusers writes it', () => {
    const own = weights.filter(({ name }) => name.startsWith('first_stage_model.'))
    const files = {
      prefixed: own,
      bare: own.map((weight) => ({ ...weight, name: weight.name.slice('first_stage_model.'.length) })),
      diffusers: inDiffusers(weights).get('vae')!,
      checkpoint: weights,
    }
    for (const [name, tensors] of Object.entries(files)) {
      const path = join(folder, `${name}.safetensors`)
      writeSafetensors(path, tensors)
      const found = detectVae(openWeights(path))
      expect(found.config).toEqual(small.vae)
      expectSame(found.weights, own)
    }
  })
})

describe('a checkpoint that does not fit is refused, with what was found and expected:', () => {
  const shapes = asPublished(sd1)

  test('one without its VAE is not', () => {
    const found = detectModel(fileOf(without(shapes, 'first_stage_model.')))
    expect(found.hasVae).toBe(false)
    expect(found.config).toEqual(sd1)
  })

  test('tensors missing, all counted and some named', () => {
    const cut = [...shapes].filter(([name]) => !name.startsWith('model.diffusion_model.output_blocks.11.'))
    const { code, message } = refusal(fileOf(cut))
    expect(code).toBe('wrong-architecture')
    expect(message).toMatch(
      /^model\.safetensors: 38 of 1130 tensors are missing: model\.diffusion_model\.output_blocks\.11\.0\.in_layers\.0\.weight;.+; and 30 more$/,
    )
  })

  test('tensors missing in the middle', () => {
    const { message } = refusal(fileOf(without(shapes, 'model.diffusion_model.input_blocks.4.')))
    expect(message).toMatch(/38 of 1130 tensors are missing: model\.diffusion_model\.input_blocks\.4/)
  })

  test('a tensor of an element type that cannot be read', () => {
    const name = 'model.diffusion_model.out.2.weight'
    const file = fileOf(without(shapes, name), { foreign: [{ name, dtype: 'U32', shape: [1] }] })
    expect(refusal(file).message).toContain(`1 of 1130 tensors are missing: ${name} (of the unknown type U32)`)
  })

  test('a tensor of integers', () => {
    const file = fileOf(shapes)
    const name = 'model.diffusion_model.out.2.weight'
    const entries = new Map(file.entries).set(name, { ...file.entries.get(name)!, dtype: 'I8' })
    expect(refusal({ ...file, entries }).message).toBe(`model.safetensors: ${name} is of type I8, expected floats`)
  })

  test('a tensor of another shape', () => {
    const name = 'model.diffusion_model.input_blocks.1.0.emb_layers.1.weight'
    const { message, code } = refusal(fileOf([...shapes, [name, [320, 640]]]))
    expect(message).toBe(`model.safetensors: ${name} is [320,640], expected [320,1280]`)
    expect(code).toBe('wrong-architecture')
  })

  test('text encoder missing', () => {
    expect(refusal(fileOf(without(shapes, 'cond_stage_model.'))).message).toMatch(/token embedding is missing/)
  })

  test('a UNet for another text encoder', () => {
    const other = asPublished({ ...sd1, unet: { ...sd1.unet, contextWidth: 1024 } })
    expect(refusal(fileOf(other)).message).toMatch(/reads a context 1024 wide, its text encoder gives 768/)
  })

  test('the yaml of another model', () => {
    const yaml = map({ model: { params: { unet_config: { params: { model_channels: 320, context_dim: 1024 } } } } })
    expect(refusal(fileOf(shapes), { yaml }).message).toBe(
      'model.safetensors: the yaml beside it says context_dim is 1024, the tensors have 768',
    )
  })

  test('the yaml of a model with another text encoder', () => {
    const target = 'ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder'
    const yaml = map({ model: { params: { cond_stage_config: { target } } } })
    expect(refusal(fileOf(shapes), { yaml }).message).toMatch(
      /says the text encoder is openclip, the tensors have clip$/,
    )
  })

  test.each([
    ['scale_factor', 0],
    ['linear_start', -1],
    ['timesteps', 'many'],
    ['linear_end', Number.NaN],
  ])('a yaml in which %s is %s', (name, value) => {
    const yaml = map({ model: { params: { [name]: value } } })
    expect(refusal(fileOf(shapes), { yaml }).message).toBe(
      `model.safetensors: the yaml beside it says ${name} is ${value}, expected a positive number`,
    )
  })

  test('heads that are no whole number', () => {
    const yaml = map({ model: { params: { unet_config: { params: { num_heads: 0.5 } } } } })
    expect(refusal(fileOf(shapes), { yaml }).message).toMatch(/not divided evenly/)
    expect(
      refusal(fileOf(shapes), { yaml: map({ model: {} }), textModel: map({ num_attention_heads: 7 }) }).message,
    ).toMatch(/not divided evenly/)
  })

  test('a yaml that asks for what is not supported', () => {
    const encoder = map({ model: { params: { cond_stage_config: { target: 'xlmr.BertSeriesModel' } } } })
    expect(refusal(fileOf(shapes), { yaml: encoder })).toMatchObject({
      code: 'unsupported',
      message: /xlmr.BertSeriesModel/,
    })
    const schedule = map({ model: { params: { beta_schedule: 'cosine' } } })
    expect(refusal(fileOf(shapes), { yaml: schedule })).toMatchObject({ code: 'unsupported', message: /cosine/ })
  })

  test.each([
    [5, /5 input channels/],
    [7, /7 input channels/],
    [8, /8 input channels/],
  ])('a UNet of %i input channels', (inChannels, message) => {
    const file = fileOf(asPublished({ ...sd1, unet: { ...sd1.unet, inChannels } }))
    expect(refusal(file)).toMatchObject({ code: 'unsupported', message })
  })

  test('heads that do not divide the width', () => {
    const yaml = map({ model: { params: { unet_config: { params: { num_heads: 7 } } } } })
    expect(refusal(fileOf(shapes), { yaml }).message).toMatch(/not divided evenly/)
  })

  test('indices beyond any model do not take time', () => {
    const wild = ['input_blocks.999999999.0.op.weight', 'middle_block.1.transformer_blocks.4000000.norm1.weight']
    const file = fileOf([...shapes, ...wild.map((name) => [`model.diffusion_model.${name}`, [1]] as const)])
    expect(detectModel(file).config).toEqual(sd1)
    const nearer = fileOf([...shapes, ['model.diffusion_model.input_blocks.40.0.op.weight', [1]]])
    expect(refusal(nearer).message).toMatch(/tensors are missing/)
  })

  test.each<[string, readonly string[], string, string]>([
    [
      'SDXL',
      [
        'conditioner.embedders.0.transformer.text_model.embeddings.position_ids',
        'model.diffusion_model.input_blocks.0.0.weight',
      ],
      'unsupported',
      'is an SDXL checkpoint; SD 1.x and 2.x are supported',
    ],
    [
      'SD 3',
      ['model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight'],
      'unsupported',
      'is an SD 3 checkpoint',
    ],
    ['Flux', ['model.diffusion_model.double_blocks.0.img_attn.qkv.weight'], 'unsupported', 'is a Flux checkpoint'],
    ['Flux without prefix', ['double_blocks.0.img_attn.qkv.weight'], 'unsupported', 'is a Flux checkpoint'],
    [
      'a VAE',
      ['decoder.conv_in.weight', 'encoder.conv_in.weight'],
      'wrong-architecture',
      'is a VAE, expected a Stable Diffusion checkpoint',
    ],
    ['a UNet alone', ['down_blocks.0.resnets.0.norm1.weight'], 'wrong-architecture', 'is a UNet without text encoder'],
    [
      'a kohya LoRA',
      ['lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight'],
      'wrong-architecture',
      'is a LoRA',
    ],
    [
      'a diffusers LoRA',
      ['unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight'],
      'wrong-architecture',
      'is a LoRA',
    ],
    [
      'an older diffusers LoRA',
      ['unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight'],
      'wrong-architecture',
      'is a LoRA',
    ],
    ['a LoHa', ['lora_unet_mid_block_attentions_0_proj_in.hada_w1_a'], 'wrong-architecture', 'is a LoRA'],
    ['an embedding', ['string_to_param.*'], 'wrong-architecture', 'is a textual inversion'],
    ['an embedding in safetensors', ['emb_params'], 'wrong-architecture', 'is a textual inversion'],
    ['a ControlNet', ['control_model.input_blocks.0.0.weight'], 'wrong-architecture', 'is a ControlNet'],
    ['an ESRGAN', ['model.0.weight', 'model.1.sub.0.RDB1.conv1.0.weight'], 'wrong-architecture', 'is an upscaler'],
    [
      'a Real-ESRGAN',
      ['params_ema.conv_first.weight', 'params_ema.body.0.rdb1.conv1.weight'],
      'wrong-architecture',
      'is an upscaler',
    ],
    ['anything else', ['fc.weight', 'fc.bias'], 'wrong-architecture', 'is a file of unknown purpose'],
  ])('%s', (_, names, code, message) => {
    const found = refusal(fileOf(names.map((name) => [name, [2, 2]])))
    expect(found.message).toContain(`model.safetensors: ${message}`)
    expect(found.code).toBe(code)
  })

  test('the recorded LoRAs and embeddings', () => {
    for (const name of ['lora/tinylora.safetensors', 'lora/tinylocon.safetensors']) {
      expect(refusal(openWeights(`${models}/${name}`)).message).toContain('is a LoRA')
    }
    for (const name of ['embeddings/tinyemb.pt', 'embeddings/negtiny.safetensors']) {
      expect(refusal(openWeights(`${models}/${name}`)).message).toContain('is a textual inversion')
    }
  })

  test('a VAE is not made of a LoRA, nor of a VAE that lacks a layer', () => {
    expect(() => detectVae(openWeights(`${models}/lora/tinylora.safetensors`))).toThrow(/is a LoRA.+, expected a VAE/)
    const cut = without(new Map(vaeLayout(sd1.vae)), 'first_stage_model.quant_conv.')
    expect(() => detectVae(fileOf(cut))).toThrow(/2 of 248 tensors are missing: first_stage_model.quant_conv.weight/)
  })
})
