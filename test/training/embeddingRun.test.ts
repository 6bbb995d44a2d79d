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
import { pngText } from '../../src/image/pngText.ts'
import { readEmbedding } from '../../src/pipeline/embeddingFile.ts'
import { generate } from '../../src/pipeline/generate.ts'
import { openStudio, type Studio } from '../../src/pipeline/studio.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { EmbeddingDraws } from '../../src/train/embedding/draws.ts'
import { EmbeddingLearner } from '../../src/train/embedding/learner.ts'
import { readEmbeddingArguments } from '../../src/train/embedding/parameters.ts'
import { beginEmbedding, type PreparedEmbedding, prepareEmbedding } from '../../src/train/embedding/prepare.ts'
import { type EmbeddingEvent, trainEmbedding } from '../../src/train/embedding/run.ts'
import type { Given } from '../../src/train/given.ts'
import { PosteriorCache } from '../../src/train/posteriorCache.ts'
import { SizedSessions } from '../../src/train/stepSessions.ts'

const golden = new URL('../golden/models/', import.meta.url).pathname
const pictures = fileURLToPath(new URL('../golden-training/dataset/train/3_foo style/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'athanor-embedding-'))
const dataDir = join(folder, 'data')
const embeddings = join(dataDir, 'embeddings')
let studio: Studio

beforeAll(() => {
  const models = join(dataDir, 'models', 'Stable-diffusion')
  for (const path of [models, embeddings, join(folder, 'set')]) mkdirSync(path, { recursive: true })
  for (const name of ['tiny-sd1.safetensors', 'tiny-sd1.yaml']) symlinkSync(join(golden, name), join(models, name))
  for (const name of ['tinyemb.pt', 'negtiny.safetensors']) {
    copyFileSync(join(golden, 'embeddings', name), join(embeddings, name))
  }
  for (const stem of ['img00', 'img01', 'img02', 'img04']) {
    copyFileSync(join(pictures, `${stem}.png`), join(folder, 'set', `${stem}.png`))
  }
  copyFileSync(join(pictures, 'img00.txt'), join(folder, 'set', 'img00.txt'))
  writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ training_write_csv_every: 2 }))
  studio = openStudio(dataDir, { threads: 1, gpuNoise: 'cpu' })
})
afterAll(async () => {
  await studio.close()
  rmSync(folder, { recursive: true, force: true })
})

const common: Readonly<Record<string, Given>> = {
  embedding_name: 'zkz',
  num_vectors_per_token: 2,
  init_text: 'blue circle',
  data_root: 'set',
  training_width: 64,
  training_height: 64,
  batch_size: 2,
  learn_rate: '0.02:4, 0.005',
  steps: 6,
  create_image_every: 0,
  save_embedding_every: 0,
  shuffle_tags: true,
  tag_drop_out: 0.1,
  latent_sampling_method: 'random',
}

async function prepared(more: Readonly<Record<string, Given>>): Promise<PreparedEmbedding> {
  const args = readEmbeddingArguments(Object.entries({ ...common, ...more }))
  beginEmbedding(args.values, studio, folder)
  return prepareEmbedding(args, studio, folder)
}

async function run(
  more: Readonly<Record<string, Given>>,
  heard: (event: EmbeddingEvent) => void = () => undefined,
  signal = new AbortController().signal,
): Promise<readonly EmbeddingEvent[]> {
  const events: EmbeddingEvent[] = []
  const places = { studio, folder, threads: 1, programVersion: '1', signal }
  for await (const event of trainEmbedding(await prepared(more), places)) {
    events.push(event)
    heard(event)
  }
  return events
}

const of = <Kind extends EmbeddingEvent['kind']>(events: readonly EmbeddingEvent[], kind: Kind) =>
  events.filter((event): event is Extract<EmbeddingEvent, { kind: Kind }> => event.kind === kind)
const vectorsOf = (path: string) => [...readWeight(openWeights(path).entries.get('emb_params')!).data]
const ofName = (name: string) => vectorsOf(join(embeddings, `${name}.safetensors`))

test('a training tells what it does, saves, draws, and leaves the embedding behind', async () => {
  const events = await run({ create_image_every: 3, save_embedding_every: 2 })
  const plan = of(events, 'plan')[0]!.lines.join('\n')
  expect(plan).toMatch(/Base: tiny-sd1, Stable Diffusion 1, 20 million numbers, predicts the noise\./)
  expect(plan).toMatch(/Embedding: "zkz", 2 vectors of 96 numbers\./)
  expect(plan).toMatch(/Data: 4 pictures, at most 64×64 pixels; texts by style_filewords\.txt\./)
  expect(plan).toMatch(/Length: 2 batches of up to 2 an epoch, 3 epochs, to step 6\./)
  expect(of(events, 'step').map(({ step, epoch }) => [step, epoch])).toEqual(
    [1, 2, 3, 4, 5, 6].map((step) => [step, Math.ceil(step / 2)]),
  )

  const [date] = readdirSync(join(dataDir, 'textual_inversion')).filter((name) => /^\d{4}-\d\d-\d\d$/.test(name))
  const home = join(dataDir, 'textual_inversion', date!, 'zkz')
  const steps = [2, 4, 6].map((step) => `zkz-${step}.safetensors`)
  expect(readdirSync(join(home, 'embeddings')).sort()).toEqual(steps)
  expect(ofName('zkz')).toEqual(vectorsOf(join(home, 'embeddings', 'zkz-6.safetensors')))
  const { metadata } = openWeights(join(embeddings, 'zkz.safetensors'))
  expect(Object.fromEntries(metadata)).toMatchObject({ step: '6', sd_checkpoint_name: 'tiny-sd1' })
  expect(metadata.get('sd_checkpoint')).toMatch(/^[0-9a-f]{10}$/)

  expect(readdirSync(join(home, 'images')).sort()).toEqual(['zkz-3.png', 'zkz-6.png'])
  const carrier = join(home, 'image_embeddings', 'zkz-6.png')
  const carried = await readEmbedding({ name: 'x', path: carrier, isBundled: false })
  expect([carried.name, [...carried.vectors.data]]).toEqual(['zkz', ofName('zkz')])
  const said = pngText(readFileSync(carrier)).find(([key]) => key === 'parameters')![1]
  expect(said).toMatch(/zkz.*\n(Negative prompt: \n)?Steps: 20, Sampler: Euler a/)

  const table = readFileSync(join(home, 'textual_inversion_loss.csv'), 'utf8').split('\r\n')
  expect(table[0]).toBe('step,epoch,epoch_step,loss,learn_rate')
  const losses = of(events, 'step').map(({ loss }) => loss.toFixed(7))
  expect(table.slice(1, 4)).toEqual([`2,0,1,${losses[1]},0.02`, `4,1,1,${losses[3]},0.02`, `6,2,1,${losses[5]},0.005`])
  const logs = of(events, 'logging')[0]!.folder
  expect(logs.startsWith(join(dataDir, 'logs'))).toBe(true)
  expect(readdirSync(logs).some((name) => name.startsWith('events.out.tfevents.'))).toBe(true)
})

test('a training that was stopped goes on as if it had not been', async () => {
  const whole = of(await run({ embedding_name: 'qqa' }), 'step')
  const stop = new AbortController()
  const first = await run(
    { embedding_name: 'qqb' },
    ({ kind, ...event }) => {
      if (kind === 'step' && 'step' in event && event.step === 3) stop.abort()
    },
    stop.signal,
  )
  expect(of(first, 'ended')[0]!.reason).toBe('stopped')
  expect(openWeights(join(embeddings, 'qqb.safetensors')).metadata.get('step')).toBe('3')
  const second = await run({ embedding_name: 'qqb' })
  expect(of(second, 'resumed')).toEqual([{ kind: 'resumed', epoch: 2, step: 3 }])
  expect([...of(first, 'step'), ...of(second, 'step')].map(({ loss }) => loss)).toEqual(whole.map(({ loss }) => loss))
  expect(ofName('qqb')).toEqual(ofName('qqa'))
  await expect(run({ embedding_name: 'qqb' })).rejects.toMatchObject({ code: 'bad-request', field: 'steps' })
})

test('the loss falls over draws that were not learnt from, and pictures change', async () => {
  const before = await prepared({ embedding_name: 'falls' })
  const start = before.learnt.vectors
  await run({ embedding_name: 'falls', steps: 40, learn_rate: '0.02', latent_sampling_method: 'deterministic' })
  const after = { shape: start.shape, data: Float32Array.from(ofName('falls')) }

  const { config, weights } = before.base
  const posteriors = new PosteriorCache({ config, weights, vaeHash: '', folder: undefined, threads: 1 })
  const sessions = new SizedSessions({ threads: 1 })
  const [draws, learner] = [new EmbeddingDraws(before, posteriors), new EmbeddingLearner(before, sessions)]
  const losses = [0, 0]
  for (let step = 5000; step < 5016; step++) {
    const feeds = learner.feeds(await draws.batch(before.pictures.slice(0, 2), step, 0))
    for (const [i, vectors] of [start, after].entries()) {
      losses[i]! += (await learner.run({ ...feeds, vectors })).loss!.data[0]! / 16
    }
  }
  await sessions.dispose()
  await posteriors.dispose()
  expect(losses[1]!).toBeLessThan(losses[0]!)

  const painted = []
  for (const prompt of ['a picture of falls', 'a picture of qqa', 'a picture of falls']) {
    const asked = { prompt, width: 64, height: 64, steps: 3, seed: 1 }
    for await (const progress of generate(studio, await recipeFromRequest(asked, 'txt2img', studio))) {
      if (progress.kind === 'image') painted.push(progress.image.picture.data)
    }
  }
  expect(painted[0]).toEqual(painted[2])
  expect(painted[0]).not.toEqual(painted[1])
})

test('a loss that is no number ends the run with the picture named and the last sound state kept', async () => {
  const asked = {
    embedding_name: 'broken',
    learn_rate: '1e-3:2, 1e39',
    save_embedding_every: 2,
  }
  const heard: EmbeddingEvent[] = []
  const error = run(asked, (event) => heard.push(event))
  await expect(error).rejects.toMatchObject({
    code: 'not-a-number',
    message: expect.stringMatching(/step 4: .*img0\d\.png/),
  })
  expect(of(heard, 'saved').at(-1)!.path).toMatch(/broken-2\.safetensors$/)
  const state = join(dataDir, 'textual_inversion', 'states', 'broken.safetensors')
  expect(openWeights(state).metadata.get('step')).toBe('2')
  // The embedding itself is as it was.
  expect(openWeights(join(embeddings, 'broken.safetensors')).metadata.get('step')).toBeUndefined()
})

test.each([
  [{ embedding_name: 'nobody', num_vectors_per_token: '' }, 'unknown-name', 'embedding_name'],
  [{ embedding_name: 'tinyemb' }, 'unsupported', 'embedding_name'],
  [{ data_root: 'nowhere' }, 'missing-file', 'data_root'],
  [{ data_root: '' }, 'bad-request', 'data_root'],
  [{ learn_rate: '0.1:x' }, 'bad-request', 'learn_rate'],
  [{ clip_grad_mode: 'norm', clip_grad_value: 'much' }, 'bad-request', 'clip_grad_value'],
  [{ clip_grad_mode: 'hard' }, 'bad-request', 'clip_grad_mode'],
  [{ latent_sampling_method: 'twice' }, 'bad-request', 'latent_sampling_method'],
  [{ template_filename: 'nothing.txt' }, 'unknown-name', 'template_filename'],
  [{ template_filename: '../config.json' }, 'bad-request', 'template_filename'],
  [{ template_filename: 'hypernetwork.txt' }, 'bad-request', 'template_filename'],
  [{ training_width: 70 }, 'bad-request', 'training_width'],
  [{ batch_size: 0 }, 'bad-request', 'batch_size'],
  [{ tag_drop_out: 1.5 }, 'bad-request', 'tag_drop_out'],
  [{ preview_sampler_name: 'Oiler' }, 'unknown-name', 'preview_sampler_name'],
  [{ checkpoint: 'nothing' }, 'unknown-name', 'checkpoint'],
  [{ learning_rate: 1 }, 'unknown-name', 'learning_rate'],
  [{ resume: true, embedding_name: 'negtiny' }, 'missing-file', 'resume'],
])('%o is refused', async (wrong: Readonly<Record<string, Given>>, code, field) => {
  await expect(run({ embedding_name: 'fresh', ...wrong })).rejects.toMatchObject({ code, field })
  expect(existsSync(join(embeddings, 'nobody.safetensors'))).toBe(false)
})
