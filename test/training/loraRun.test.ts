import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import { writeSafetensors } from '../../src/files/writeSafetensors.ts'
import { fitNetwork } from '../../src/lora/fit.ts'
import { openNetwork } from '../../src/lora/network.ts'
import { detectModel } from '../../src/models/detect.ts'
import { openStudio, type Studio } from '../../src/pipeline/studio.ts'
import { parseFlags } from '../../src/train/flags.ts'
import type { Given } from '../../src/train/given.ts'
import { readArguments } from '../../src/train/lora/arguments.ts'
import { prepareRun } from '../../src/train/lora/prepare.ts'
import { trainLora } from '../../src/train/lora/run.ts'
import type { TrainingEvent } from '../../src/train/trainingEvents.ts'

const golden = new URL('../golden/models/', import.meta.url).pathname
const pictures = fileURLToPath(new URL('../golden-training/dataset/train/3_foo style/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'athanor-lora-'))
const out = join(folder, 'out')
let studio: Studio

beforeAll(() => {
  const models = join(folder, 'data', 'models', 'Stable-diffusion')
  mkdirSync(models, { recursive: true })
  for (const name of ['tiny-sd1.safetensors', 'tiny-sd1.yaml']) symlinkSync(join(golden, name), join(models, name))
  const train = join(folder, 'pictures', '2_foo')
  mkdirSync(train, { recursive: true })
  for (const stem of ['img00', 'img01', 'img02', 'img04']) {
    for (const extension of ['png', 'txt'])
      copyFileSync(join(pictures, `${stem}.${extension}`), join(train, `${stem}.${extension}`))
  }
  writeSafetensors(
    join(folder, 'xl.safetensors'),
    ['model.diffusion_model.input_blocks.0.0.weight', 'conditioner.embedders.1.model.ln_final.weight'].map((name) => ({
      name,
      dtype: 'F32' as const,
      shape: [1],
      sizeBytes: 4,
      location: { bytes: new Uint8Array(4) },
    })),
  )
  writeFileSync(join(folder, 'prompts.txt'), '# a comment\nfoo style, circle --w 64 --h 64 --s 2 --d 7 --ss euler\n')
  studio = openStudio(join(folder, 'data'), { threads: 1, gpuNoise: 'cpu' })
})
afterAll(async () => {
  await studio.close()
  rmSync(folder, { recursive: true, force: true })
})

const onlyMiddle = Array.from({ length: 25 }, (_, block) => (block === 12 ? 2 : 0)).join(',')
const common: Readonly<Record<string, Given>> = {
  pretrained_model_name_or_path: 'tiny-sd1',
  train_data_dir: join(folder, 'pictures'),
  output_dir: out,
  logging_dir: join(folder, 'logs'),
  resolution: '64',
  train_batch_size: 2,
  cache_latents: true,
  network_train_unet_only: true,
  network_args: [`block_dims=${onlyMiddle}`],
  learning_rate: '1e-3',
  optimizer_type: 'AdamWScheduleFree',
  seed: 42,
  validation_split: 0.25,
  shuffle_caption: true,
  flip_aug: true,
  save_state: true,
  save_every_n_epochs: 1,
  max_train_epochs: 3,
}

async function run(
  more: Readonly<Record<string, Given>>,
  signal = new AbortController().signal,
): Promise<readonly TrainingEvent[]> {
  const args = readArguments(new Map(Object.entries({ ...common, ...more })), new Map())
  const prepared = await prepareRun(args, studio, folder, 1)
  const events: TrainingEvent[] = []
  for await (const event of trainLora(prepared, { studio, folder, threads: 1, programVersion: '1', signal }))
    events.push(event)
  return events
}

const tensorsOf = (name: string) =>
  new Map([...openWeights(join(out, name)).entries].map(([key, entry]) => [key, [...readWeight(entry).data]]))
const of = <Kind extends TrainingEvent['kind']>(events: readonly TrainingEvent[], kind: Kind) =>
  events.filter((event): event is Extract<TrainingEvent, { kind: Kind }> => event.kind === kind)

test('a training tells what it will do, learns, judges, draws and saves under the usual names', async () => {
  const events = await run({ output_name: 'whole', sample_prompts: 'prompts.txt', sample_every_n_epochs: 2 })
  const [plan] = of(events, 'plan')
  const text = plan!.lines.join('\n')
  expect(text).toMatch(/Base: tiny-sd1, Stable Diffusion 1, 20 million numbers, predicts the noise\./)
  expect(text).toMatch(/Data: 3 pictures, 6 with repeats, 1 more to judge by\./)
  expect(text).toMatch(/Length: 3 batches of up to 2 an epoch, 3 epochs, 9 steps\./)
  expect(text).toMatch(/Estimate: about .* GiB of memory/)

  const steps = of(events, 'step')
  expect(steps.map(({ step, epoch }) => [step, epoch])).toEqual(
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((s) => [s, Math.ceil(s / 3)]),
  )
  // The mean of an epoch's worth of steps, of which a new epoch's take the places of the old one's.
  const losses = steps.map(({ loss }) => loss)
  expect(steps[1]!.averageLoss).toBeCloseTo((losses[0]! + losses[1]!) / 2, 9)
  expect(steps[3]!.averageLoss).toBeCloseTo((losses[3]! + losses[1]! + losses[2]!) / 3, 9)

  const validated = of(events, 'validated')
  expect(validated.map(({ epoch }) => epoch)).toEqual([1, 2, 3])
  const lowest = Math.min(...validated.map(({ loss }) => loss))
  expect(validated.filter(({ isBest }) => isBest).at(-1)!.loss).toBe(lowest)
  for (const name of ['whole-000001', 'whole-000002', 'whole', 'whole-best'])
    expect(existsSync(join(out, `${name}.safetensors`)), name).toBe(true)
  expect(existsSync(join(out, 'whole-000003.safetensors'))).toBe(false)
  expect(readdirSync(join(out, 'sample'))[0]).toMatch(/^whole_e000002_00_\d{14}_7\.png$/)

  const [time] = readdirSync(join(folder, 'logs'))
  expect(time).toMatch(/^\d{14}$/)
  const log = join(folder, 'logs', time!, 'network_train')
  expect(readdirSync(log).some((name) => name.startsWith('events.out.tfevents.'))).toBe(true)
  const first = JSON.parse(readFileSync(join(log, 'steps.jsonl'), 'utf8').split('\n')[0]!) as Record<string, number>
  expect(first).toMatchObject({ step: 1, 'loss/current': losses[0], 'lr/unet': 1e-3, 'lr/group0': 1e-3 })
})

test('what is saved says how it was made, and fits the model it was trained beside', () => {
  const file = openWeights(join(out, 'whole.safetensors'))
  expect(Object.fromEntries(file.metadata)).toMatchObject({
    ss_output_name: 'whole',
    ss_network_module: 'networks.lora',
    ss_network_dim: '4',
    ss_network_alpha: '1.0',
    ss_resolution: '(64, 64)',
    ss_base_model_version: 'sd_v1',
    ss_sd_model_name: 'tiny-sd1.safetensors',
    ss_sd_model_hash: '803e59f3',
    ss_new_sd_model_hash: 'd3d69a5716715792f6c73c41f3a58c8060b5c9f66fdd00256ab6ed7f1362d9dc',
    ss_unet_lr: 'None',
    ss_shuffle_caption: 'True',
    ss_num_train_images: '6',
    ss_epoch: '3',
    ss_steps: '9',
    ss_dataset_dirs: '{"2_foo": {"n_repeats": 2, "img_count": 3}}',
    'modelspec.architecture': 'stable-diffusion-v1/lora',
    'modelspec.title': 'whole',
    sshs_model_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  const { weights } = detectModel(openWeights(join(golden, 'tiny-sd1.safetensors')))
  const fitted = fitNetwork(openNetwork(file), weights)
  expect(fitted.layers.size).toBe(12)
  expect(fitted.unmatched).toEqual([])
})

test('a training that goes on from a state is bit for bit the one that was never interrupted', async () => {
  const events = await run({ output_name: 'again', resume: join(out, 'whole-000002-state') })
  expect(of(events, 'resumed')).toEqual([{ kind: 'resumed', epoch: 3, step: 6 }])
  expect(of(events, 'step').map(({ step }) => step)).toEqual([7, 8, 9])
  expect(tensorsOf('again.safetensors')).toEqual(tensorsOf('whole.safetensors'))
  await expect(run({ output_name: 'other', seed: 7, resume: join(out, 'whole-state') })).rejects.toThrow(
    'belongs to a run',
  )
})

test('a training that is stopped leaves what it learnt and goes on from there', async () => {
  const controller = new AbortController()
  const args = readArguments(new Map(Object.entries({ ...common, output_name: 'stopped' })), new Map())
  const prepared = await prepareRun(args, studio, folder, 1)
  const places = { studio, folder, threads: 1, programVersion: '1', signal: controller.signal }
  const events: TrainingEvent[] = []
  for await (const event of trainLora(prepared, places)) {
    events.push(event)
    if (event.kind === 'step' && event.step === 4) controller.abort()
  }
  expect(of(events, 'ended')[0]).toMatchObject({
    reason: 'stopped',
    path: join(out, 'stopped-step00000004.safetensors'),
  })
  await run({ output_name: 'continued', resume: join(out, 'stopped-step00000004-state') })
  expect(tensorsOf('continued.safetensors')).toEqual(tensorsOf('whole.safetensors'))
})

test('outputs of the text encoder that are kept, in memory or on the disk, are those it gives', async () => {
  const fixed = { shuffle_caption: false, max_train_epochs: 1, validation_split: 0, save_state: false }
  await run({ ...fixed, output_name: 'encoded' })
  await run({ ...fixed, output_name: 'kept', cache_text_encoder_outputs_to_disk: true })
  const kept = join(folder, 'data', 'cache', 'contexts')
  const files = readdirSync(kept)
  expect(files).toHaveLength(4)
  expect(tensorsOf('kept.safetensors')).toEqual(tensorsOf('encoded.safetensors'))
  // A text encoder of zeros, found there, is what is learnt from: the run after reads the disk.
  for (const name of files) {
    const context = openWeights(join(kept, name)).entries.get('context')!
    writeSafetensors(join(kept, name), [{ ...context, location: { bytes: new Uint8Array(context.sizeBytes) } }])
  }
  await run({ ...fixed, output_name: 'zeros', cache_text_encoder_outputs_to_disk: true })
  expect(tensorsOf('zeros.safetensors')).not.toEqual(tensorsOf('encoded.safetensors'))
})

test('a loss that is no number ends the run with the step and the picture, and what was learnt before is kept', async () => {
  const broken = run({
    output_name: 'broken',
    optimizer_type: 'SGDNesterov',
    learning_rate: 1e30,
    max_grad_norm: 0,
    validation_split: 0,
  })
  await expect(broken).rejects.toThrow(/^step \d+: the loss is (NaN|Infinity) at .*img\d\d\.png/)
  const kept = readdirSync(out).filter((name) => name.startsWith('broken-step'))
  expect(kept).toHaveLength(2)
})

test.each<[string, Record<string, Given>, string]>([
  ['a misspelt parameter', { newtork_dim: 8 }, 'newtork_dim: no such parameter; did you mean network_dim?'],
  ['a number that is none', { network_dim: 'many' }, 'network_dim: found "many", expected a number'],
  ['no base', { pretrained_model_name_or_path: 'nothing' }, 'no checkpoint is called "nothing"'],
  [
    'a LoRA as the base',
    { pretrained_model_name_or_path: join(golden, 'lora/tinylora.safetensors') },
    'expected a Stable Diffusion checkpoint',
  ],
  ['SDXL as the base', { pretrained_model_name_or_path: join(folder, 'xl.safetensors') }, 'XL'],
  ['no pictures', { train_data_dir: golden }, 'no pictures in'],
  ['masked losses without masks', { masked_loss: true }, 'masked_loss: there are no masks'],
  [
    'outputs kept of a text encoder that is trained',
    { cache_text_encoder_outputs: true, network_train_unet_only: false, network_args: [] },
    'the text encoder is trained',
  ],
  ['outputs kept of captions that change', { cache_text_encoder_outputs: true }, 'change with every draw'],
  ['a schedule that cannot warm up', { lr_warmup_steps: 5 }, 'use constant_with_warmup'],
  ['augmentation of cached latents', { random_crop: true }, 'random_crop: changes pictures every time'],
  ['an unknown optimizer', { optimizer_type: 'AdmW' }, 'did you mean AdamW?'],
  ['an argument the optimizer has not', { optimizer_args: ['momentun=0.9'] }, 'no argument is called momentun'],
  ['a network that is not trained here', { network_module: 'networks.oft' }, 'not trained here'],
])('%s is refused in words', async (_, more, message) => {
  await expect(run({ ...more, optimizer_type: more.optimizer_type ?? 'AdamW' })).rejects.toThrow(message)
})

test('parameters without an effect are accepted and say so once', () => {
  const { values, notes } = readArguments(
    new Map<string, Given>([
      ['xformers', true],
      ['learning_rate', '1e-4'],
    ]),
    parseFlags(['--sdpa', '--mixed_precision', 'bf16', '--network_dim=8', '--optimizer_args', 'a=1', 'b=-2']),
  )
  expect(values).toMatchObject({ learning_rate: 1e-4, network_dim: 8, optimizer_args: ['a=1', 'b=-2'] })
  expect(notes).toEqual([
    "xformers, sdpa: no effect; attention's scores are never kept here",
    expect.stringMatching(/^mixed_precision: no effect;/),
  ])
})
