import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openWeights } from './openWeights.ts'
import { readWeight } from './readWeight.ts'
import { writeSafetensors } from './writeSafetensors.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-diffusers-'))
afterAll(() => rmSync(root, { recursive: true }))

/** A folder with these files: JSON from objects, weights of one number from numbers, copies of goldens from names. */
function folder(files: Record<string, object | number | string>): string {
  const path = mkdtempSync(join(root, 'model-'))
  for (const [name, content] of Object.entries(files)) {
    const file = join(path, name)
    mkdirSync(dirname(file), { recursive: true })
    if (typeof content === 'string') copyFileSync(join('src/files/goldens', content), file)
    else if (typeof content === 'object') writeFileSync(file, JSON.stringify(content))
    else {
      const bytes = new Uint8Array(Float32Array.of(content).buffer)
      writeSafetensors(file, [{ name: 'x', dtype: 'F32', shape: [1], sizeBytes: 4, location: { bytes } }])
    }
  }
  return path
}

const numberIn = (path: string, name: string) => readWeight(openWeights(path).entries.get(name)!).data[0]

test('a pipeline gives the tensors of its components under their names, and every configuration', () => {
  const file = openWeights(
    folder({
      'model_index.json': { _class_name: 'StableDiffusionPipeline' },
      'scheduler/scheduler_config.json': { prediction_type: 'epsilon' },
      'unet/config.json': { in_channels: 4 },
      'unet/diffusion_pytorch_model.safetensors': 1,
      'vae/config.json': {},
      'vae/diffusion_pytorch_model.safetensors': 2,
      'safety_checker/config.json': {},
      'safety_checker/model.safetensors': 3,
    }),
  )
  expect(file.format).toBe('diffusers')
  expect([...file.entries.keys()]).toEqual(['unet.x', 'vae.x'])
  expect([...file.configs!.keys()]).toEqual(['model_index', 'scheduler', 'unet', 'vae'])
  expect(file.configs!.get('unet')).toEqual(new Map([['in_channels', 4]]))
})

test.each([
  [{ _class_name: 'AutoencoderKL' }, 'vae.x'],
  [{ _class_name: 'UNet2DConditionModel' }, 'unet.x'],
  [{ architectures: ['CLIPTextModel'] }, 'text_encoder.x'],
])('a component alone is known by the class in its configuration, %j', (config, name) => {
  const path = folder({ 'config.json': config, 'model.safetensors': 1 })
  expect(numberIn(path, name)).toBe(1)
})

test('of several forms of the same weights, whole safetensors go before variants and before pickles', () => {
  const config = { _class_name: 'AutoencoderKL' }
  const stem = 'diffusion_pytorch_model'
  const forms = { 'config.json': config, [`${stem}.bin`]: 'tensor.pt', [`${stem}.fp16.safetensors`]: 1 }
  expect(numberIn(folder({ ...forms, [`${stem}.safetensors`]: 2 }), 'vae.x')).toBe(2)
  expect(numberIn(folder(forms), 'vae.x')).toBe(1)
  const pickled = folder({ 'config.json': config, [`${stem}.bin`]: 'tensor.pt', 'training_state.bin': 'zip.pt' })
  expect(numberIn(pickled, 'vae.tensor')).toBe(1)
})

test('tensors that cannot be read carry the name of their component', () => {
  const path = folder({ 'config.json': { _class_name: 'AutoencoderKL' } })
  const json = '{"y":{"dtype":"U16","shape":[1],"data_offsets":[0,2]}}'
  const file = Buffer.alloc(8 + json.length + 2)
  file.writeBigUInt64LE(BigInt(json.length))
  file.write(json, 8)
  writeFileSync(join(path, 'model.safetensors'), file)
  expect(openWeights(path).foreign).toEqual([{ name: 'vae.y', dtype: 'U16', shape: [1] }])
})

test.each<[string, Record<string, object | number | string>, RegExp]>([
  ['nothing of a model', { 'readme.json': {} }, /without model_index\.json or config\.json/],
  [
    'a class that is not known',
    { 'config.json': { _class_name: 'FluxTransformer2DModel' } },
    /class FluxTransformer2DModel/,
  ],
  ['a configuration without class', { 'config.json': {} }, /names no class of model/],
  ['no weights', { 'config.json': { _class_name: 'AutoencoderKL' } }, /no weights/],
  [
    'a shard that is missing',
    {
      'config.json': { _class_name: 'AutoencoderKL' },
      'diffusion_pytorch_model.safetensors.index.json': { weight_map: { x: 'gone.safetensors' } },
    },
    /gone\.safetensors cannot be opened/,
  ],
  [
    'an index that is none',
    { 'config.json': { _class_name: 'AutoencoderKL' }, 'model.safetensors.index.json': {} },
    /has no weight_map/,
  ],
  [
    'one tensor in two shards',
    {
      'config.json': { _class_name: 'AutoencoderKL' },
      'model-1.safetensors': 1,
      'model-2.safetensors': 2,
      'model.safetensors.index.json': { weight_map: { x: 'model-1.safetensors', y: 'model-2.safetensors' } },
    },
    /the tensor vae\.x is in two files/,
  ],
])('a folder with %s is refused', (_, files, message) => {
  expect(() => openWeights(folder(files))).toThrow(message)
})
