import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, contractServer } from './contractServer.ts'

/** A training's process reads TypeScript when it starts, which takes long on a busy machine. */
const patienceMs = 900_000

const server = contractServer()
const post = (path: string, body: object = {}) => ask(server(), 'POST', path, body)
const pictures = fileURLToPath(new URL('../golden-training/dataset/train/3_foo style/', import.meta.url))

beforeAll(async () => {
  const set = join(server().path, 'datasets', 'blobs')
  mkdirSync(set, { recursive: true })
  for (const name of ['img00.png', 'img00.txt', 'img01.png']) copyFileSync(join(pictures, name), join(set, name))
  mkdirSync(join(server().path, 'datasets', 'empty'))
  const { status } = await post('/sdapi/v1/create/embedding', { name: 'zkz', num_vectors_per_token: 2 })
  expect(status).toBe(200)
})

// A training outlives its server; a test that fails shall not leave one behind.
afterAll(async () => {
  const { answer } = await ask(server(), 'GET', '/api/v1/runs')
  for (const { id, state } of answer.runs as { id: string; state: string }[]) {
    if (state === 'running' || state === 'starting') await post(`/api/v1/runs/${id}/cancel?now=true`)
  }
})

/** As clients of the reference ask: every argument of its training function. */
const asked = {
  embedding_name: 'zkz',
  learn_rate: '0.005:2, 1e-3',
  batch_size: 1,
  gradient_step: 1,
  data_root: 'blobs',
  log_directory: 'textual_inversion',
  training_width: 64,
  training_height: 64,
  varsize: false,
  steps: 3,
  clip_grad_mode: 'norm',
  clip_grad_value: '0.1',
  shuffle_tags: false,
  tag_drop_out: 0,
  latent_sampling_method: 'once',
  use_weight: false,
  create_image_every: 0,
  save_embedding_every: 2,
  template_filename: 'style_filewords.txt',
  save_image_with_stored_embedding: true,
  preview_from_txt2img: false,
  preview_prompt: '',
  preview_negative_prompt: '',
  preview_steps: 20,
  preview_sampler_name: 'Euler a',
  preview_cfg_scale: 7,
  preview_seed: -1,
  preview_width: 64,
  preview_height: 64,
}

interface Progress {
  readonly progress: number
  readonly state: { readonly job: string; readonly job_count: number; readonly job_no: number }
}

const stepOf = async (name: string) => {
  const { answer } = await ask(server(), 'GET', '/sdapi/v1/embeddings')
  return (answer.loaded as Record<string, { step: number | null; sd_checkpoint_name: string | null }>)[name]
}

test(
  'an embedding is trained in a process of its own while the server answers others',
  async () => {
    const home = server().path
    let slowest = 0
    let isOver = false
    const training = post('/sdapi/v1/train/embedding', asked).finally(() => {
      isOver = true
    })
    const jobs = new Set<string>()
    while (!isOver) {
      const before = performance.now()
      const { statusCode } = await server().app.inject('/healthz')
      slowest = Math.max(slowest, performance.now() - before)
      expect(statusCode).toBe(200)
      const { answer } = await ask(server(), 'GET', '/sdapi/v1/progress')
      jobs.add((answer as unknown as Progress).state.job)
      await pause(100)
    }
    const { status, answer } = await training
    const path = join(home, 'embeddings', 'zkz.safetensors')
    expect([status, answer]).toEqual([200, { info: `train embedding complete: filename: ${path} error: None` }])
    expect(await stepOf('zkz')).toMatchObject({ step: 3, sd_checkpoint_name: 'tiny-sd1' })
    expect(jobs).toContain('train-embedding')
    expect(slowest).toBeLessThan(1000)
    const [date] = readdirSync(join(home, 'textual_inversion')).filter((name) => name !== 'states')
    expect(readdirSync(join(home, 'textual_inversion', date!, 'zkz', 'embeddings')).sort()).toEqual([
      'zkz-2.safetensors',
      'zkz-3.safetensors',
    ])
    const { answer: listed } = await ask(server(), 'GET', '/api/v1/runs')
    expect(listed).toMatchObject({ runs: [{ kind: 'embedding', title: 'zkz', state: 'done' }] })

    // What was trained is what prompts speak of.
    const picture = async (prompt: string) =>
      (await post('/sdapi/v1/txt2img', { prompt, width: 64, height: 64, steps: 2, seed: 1 })).answer.images
    expect(await picture('a picture of zkz')).not.toEqual(await picture('a picture of *'))
  },
  patienceMs,
)

test(
  'an interruption ends it after the step at work, with what it has learnt',
  async () => {
    await post('/sdapi/v1/create/embedding', { name: 'long' })
    const training = post('/sdapi/v1/train/embedding', { ...asked, embedding_name: 'long', steps: 100_000 })
    for (;;) {
      const { answer } = await ask(server(), 'GET', '/sdapi/v1/progress')
      const { progress, state } = answer as unknown as Progress
      if (state.job === 'train-embedding' && state.job_no > 0) {
        expect(state.job_count).toBe(100_000)
        expect(progress).toBeGreaterThan(0.01)
        break
      }
      await pause(100)
    }
    const second = await post('/sdapi/v1/train/embedding', asked)
    expect([second.status, second.answer.error]).toEqual([422, 'bad-request'])
    const other = await post('/sdapi/v1/train/embedding', { ...asked, steps: 10 })
    expect([other.status, other.answer.error]).toEqual([409, 'conflict'])
    expect((await post('/sdapi/v1/interrupt')).answer).toEqual({})
    const { status, answer } = await training
    expect([status, String(answer.info)]).toEqual([200, expect.stringMatching(/long\.safetensors error: None$/)])
    const about = await stepOf('long')
    expect(about!.step).toBeGreaterThan(0)
    expect(about!.step).toBeLessThan(100_000)
  },
  patienceMs,
)

test.each([
  [{ embedding_name: 'nobody' }, 422, 'embedding_name'],
  [{ embedding_name: '../zkz' }, 422, 'embedding_name'],
  [{ data_root: 'nothing' }, 404, 'data_root'],
  [{ data_root: '/etc' }, 422, 'data_root'],
  [{ data_root: '../models' }, 422, 'data_root'],
  [{ log_directory: '/tmp' }, 403, 'log_directory'],
  [{ learn_rate: '0.005:x' }, 422, 'learn_rate'],
  [{ learn_rate: 'fast' }, 422, 'learn_rate'],
  [{ clip_grad_mode: 'some' }, 422, 'clip_grad_mode'],
  [{ template_filename: '../../config.json' }, 422, 'template_filename'],
  [{ latent_sampling_method: 'never' }, 422, 'latent_sampling_method'],
  [{ training_width: 100 }, 422, 'training_width'],
  [{ preview_sampler_name: 'Oiler' }, 422, 'preview_sampler_name'],
])('%o is refused before anything starts', async (wrong, status, field) => {
  const before = readdirSync(join(server().path, 'runs'))
  const reply = await post('/sdapi/v1/train/embedding', { ...asked, steps: 10_000, ...wrong })
  expect([reply.status, reply.answer.field], JSON.stringify(reply.answer)).toEqual([status, field])
  expect(readdirSync(join(server().path, 'runs'))).toEqual(before)
})

test('a name that is missing, or no text, is refused as FastAPI does', async () => {
  const { embedding_name: _, ...nameless } = asked
  const { status, answer } = await post('/sdapi/v1/train/embedding', { ...nameless, steps: 'many' })
  const where = (answer.detail as { loc: string[] }[]).map(({ loc }) => loc.join('.'))
  expect([status, where]).toEqual([422, ['body.embedding_name', 'body.steps']])
})

test(
  'a set without pictures is told by its field once that is looked at',
  async () => {
    writeFileSync(join(server().path, 'datasets', 'empty', 'notes.md'), 'none here')
    const { status, answer } = await post('/sdapi/v1/train/embedding', { ...asked, steps: 10_000, data_root: 'empty' })
    expect([status, answer.field]).toEqual([422, 'data_root'])
    expect(String(answer.detail)).not.toContain(server().path)
    expect(existsSync(join(server().path, 'textual_inversion', 'states', 'zkz.safetensors'))).toBe(true)
  },
  patienceMs,
)

test('hypernetworks are refused by name', async () => {
  const { status, answer } = await post('/sdapi/v1/train/hypernetwork', {})
  expect([status, answer.error]).toEqual([422, 'unsupported'])
})
