import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Runs } from '../../src/runs/runs.ts'
import type {
  WireDataset,
  WireRun,
  WireRunCurves,
  WireWrittenCaptions,
} from '../../src/server/native/trainingSchemas.ts'
import { writeTinyBlip } from '../models/tinyBlip.ts'
import { type TestServer, testServer } from './testServer.ts'

/** A training's process reads TypeScript when it starts, which takes long on a busy machine. */
const patienceMs = 900_000

const pictures = fileURLToPath(new URL('../golden-training/dataset/train/3_foo style/', import.meta.url))
const onlyMiddle = Array.from({ length: 25 }, (_, block) => (block === 12 ? 2 : 0)).join(',')
const parameters = {
  pretrained_model_name_or_path: 'tiny-sd1',
  train_data_dir: 'foo',
  output_name: 'foo',
  resolution: '64',
  cache_latents: true,
  network_train_unet_only: true,
  network_args: [`block_dims=${onlyMiddle}`],
  learning_rate: '1e-3',
  max_train_steps: 2,
  seed: 42,
}

let server: TestServer
beforeAll(async () => {
  server = await testServer()
  const folder = join(server.studio.dataDir, 'datasets', 'foo', '2_foo style')
  mkdirSync(folder, { recursive: true })
  for (const stem of ['img00', 'img01', 'img02']) {
    for (const extension of ['.png', '.txt'])
      copyFileSync(join(pictures, stem + extension), join(folder, stem + extension))
  }
})
afterAll(() => server.close())

async function ask<T>(
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  payload?: object,
): Promise<{ status: number; body: T }> {
  const reply = await server.app.inject({ method, url: `/api/v1${url}`, ...(payload && { payload }) })
  return { status: reply.statusCode, body: (reply.payload === '' ? undefined : reply.json()) as T }
}

interface ErrorReply {
  readonly error: { readonly code: string; readonly message: string; readonly field?: string }
}

async function until(id: string, isThere: (run: WireRun) => boolean): Promise<WireRun> {
  for (;;) {
    const { body } = await ask<WireRunCurves>('GET', `/runs/${id}?points=0`)
    if (isThere(body.run) || ['failed', 'lost'].includes(body.run.state)) return body.run
    await pause(500)
  }
}

const picture = (stem: string) => ({
  name: stem,
  image: readFileSync(join(pictures, `${stem}.png`)).toString('base64'),
  caption: readFileSync(join(pictures, `${stem}.txt`), 'utf8'),
})

test(
  'captions are written by a model that the user has, named by its folder',
  async () => {
    const set = await ask<WireDataset>('POST', '/datasets', {
      ...{ id: 'worded', subject: 'thing' },
      pictures: [picture('img00'), { ...picture('img01'), caption: undefined }],
    })
    expect(set.status, JSON.stringify(set.body)).toBe(201)
    const words = (asked: object) => ask<WireWrittenCaptions & ErrorReply>('POST', '/datasets/worded/captions', asked)

    const none = await words({})
    expect([none.status, none.body.error.field]).toEqual([422, 'model'])
    const unknown = await words({ model: '../../models/Stable-diffusion/tiny-sd1.safetensors' })
    expect([unknown.status, unknown.body.error.field]).toEqual([422, 'model'])

    writeTinyBlip(join(server.studio.dataDir, 'models', 'BLIP', 'tiny'))
    expect((await ask<{ taggers: string[] }>('GET', '/taggers')).body.taggers).toEqual(['tiny'])
    const tooLong = await words({ model: 'tiny' })
    expect([tooLong.status, tooLong.body.error.field]).toEqual([422, 'max length'])
    const scored = await words({ model: 'tiny', threshold: 0.4 })
    expect([scored.status, scored.body.error.field]).toEqual([422, 'threshold'])
    const sentence = { prompt: 'w5 w9', minLength: 4, maxLength: 12, beams: 2 }
    const written = await words({ model: 'tiny', sentence, add: ['zkz'] })
    expect(written.body).toEqual({ written: ['1_thing/img01.txt'], passedOver: ['1_thing/img00.png'], failed: [] })
    const [old, fresh] = (await ask<WireDataset>('GET', '/datasets/worded')).body.pictures
    expect(old!.caption).toBe(set.body.pictures[0]!.caption)
    expect(fresh!.caption).toMatch(/^zkz, w\d+( w\d+)*$/)
  },
  patienceMs,
)

test(
  'a set is made of pictures that are sent, edited, judged and cut',
  async () => {
    const made = await ask<WireDataset>('POST', '/datasets', {
      ...{ id: 'sent', repeats: 2, subject: 'foo style' },
      pictures: ['img00', 'img01', 'img02'].map(picture),
    })
    expect(made.status, JSON.stringify(made.body)).toBe(201)
    expect(made.body.pictures.map(({ name, repeats }) => [name, repeats])).toEqual(
      ['img00', 'img01', 'img02'].map((stem) => [`2_foo style/${stem}.png`, 2]),
    )
    expect((await ask<{ datasets: string[] }>('GET', '/datasets')).body.datasets).toEqual(['foo', 'sent', 'worded'])
    const again = await ask<ErrorReply>('POST', '/datasets', {
      id: 'sent',
      repeats: 2,
      subject: 'foo style',
      pictures: [picture('img00')],
    })
    expect([again.status, again.body.error.field]).toEqual([409, 'pictures.0.name'])

    const [first] = made.body.pictures
    const before = first!.caption
    const edit = { edits: [{ edit: 'trigger', word: 'zkz' }] }
    const planned = await ask<{ changes: { name: string; before: string; after: string }[] }>(
      'POST',
      '/datasets/sent/tags',
      edit,
    )
    expect(planned.body.changes[0]).toEqual({ name: first!.name, before, after: `zkz, ${before}` })
    expect((await ask<WireDataset>('GET', '/datasets/sent')).body.pictures[0]!.caption).toBe(before)
    const saved = await ask<{ isSaved: boolean }>('POST', '/datasets/sent/tags', { ...edit, save: true })
    expect([saved.status, saved.body.isSaved], JSON.stringify(saved.body)).toEqual([200, true])
    expect((await ask<WireDataset>('GET', '/datasets/sent')).body.pictures[0]!.caption).toBe(`zkz, ${before}`)
    const undone = await ask<WireDataset>('POST', '/datasets/sent/tags/undo')
    expect(undone.body.pictures[0]!.caption).toBe(before)

    const report = await ask<{ grade: string; pictures: { name: string; verdicts: { check: string }[] }[] }>(
      'POST',
      '/datasets/sent/report',
      { resolution: { width: 64, height: 64 } },
    )
    expect(report.status, JSON.stringify(report.body)).toBe(200)
    expect(report.body.pictures.map(({ name }) => name)).toEqual(made.body.pictures.map(({ name }) => name))

    const excluded = await ask<WireDataset>('POST', '/datasets/sent/exclude', {
      pictures: [first!.name],
      reason: 'blurry',
    })
    expect(excluded.body.pictures[0]!.excluded).toBe('blurry')
    const cut = await ask<{ dataset: WireDataset }>('POST', '/datasets/sent/crop', {
      into: 'sent-64',
      size: { width: 64, height: 64 },
    })
    expect(cut.status, JSON.stringify(cut.body)).toBe(201)
    expect(cut.body.dataset.pictures).toHaveLength(2)
    expect((await ask<ErrorReply>('POST', '/datasets/sent/crop', { into: 'sent-64' })).status).toBe(409)
    expect((await ask<WireDataset>('POST', '/datasets/sent/include', {})).body.pictures[0]!.excluded).toBeNull()
  },
  patienceMs,
)

test.each([
  [{ train_data_dir: '../../etc' }, 422, 'train_data_dir'],
  [{ train_data_dir: 'nothing' }, 404, 'train_data_dir'],
  [{ output_dir: '/tmp' }, 403, 'output_dir'],
  [{ sample_prompts: '/etc/passwd' }, 403, 'sample_prompts'],
  [{ output_name: '../x' }, 422, 'output_name'],
  [{ resume: '..' }, 422, 'resume'],
  [{ pretrained_model_name_or_path: '/etc/passwd' }, 422, 'pretrained_model_name_or_path'],
  [{ network_dimm: 4 }, 422, 'network_dimm'],
  [{ network_dim: 'many' }, 422, 'network_dim'],
])('%o is refused before anything starts', async (wrong, status, field) => {
  const reply = await ask<ErrorReply>('POST', '/runs', { parameters: { ...parameters, ...wrong } })
  expect([reply.status, reply.body.error.field], JSON.stringify(reply.body)).toEqual([status, field])
  expect((await ask<{ runs: WireRun[] }>('GET', '/runs')).body.runs).toEqual([])
})

test('names of sets and pictures lead nowhere else', async () => {
  for (const id of ['..', '%2e%2e', '..%2f..', 'a%2fb', '%00']) {
    expect((await ask('GET', `/datasets/${id}`)).status).toBeGreaterThanOrEqual(400)
  }
  const image = picture('img00').image
  for (const wrong of [
    { name: '../x', image },
    { name: 'x', image: 'AAAA' },
    { name: 'x', image: image.slice(0, 100) },
  ]) {
    const { status } = await ask('POST', '/datasets', { id: 'bad', subject: 'x', pictures: [wrong] })
    expect(status).toBe(422)
  }
  expect((await ask('GET', '/datasets/foo/picture?name=..%2f..%2fconfig.json')).status).toBe(404)
  expect(existsSync(join(server.studio.dataDir, 'datasets', 'bad'))).toBe(false)
})

test(
  'a training runs beside the server, one at a time, is found again by another server, and stops with its state',
  async () => {
    const started = await ask<WireRun>('POST', '/runs', {
      parameters: { ...parameters, max_train_steps: 100_000, sample_at_first: true, save_state: true },
      prompts: ['foo style, circle --w 64 --h 64 --s 2 --d 7'],
      title: 'long',
    })
    expect(started.status, JSON.stringify(started.body)).toBe(201)
    const { id } = started.body
    expect(started.body).toMatchObject({ state: 'starting', parameters: { train_data_dir: 'foo' } })
    const second = await ask<ErrorReply>('POST', '/runs', { parameters })
    expect([second.status, second.body.error.code]).toEqual([409, 'conflict'])

    const running = await until(id, ({ progress }) => (progress?.step ?? 0) >= 2)
    expect(running.state, JSON.stringify(running.error)).toBe('running')
    expect(running.plan.join('\n')).toContain('Base: tiny-sd1')
    expect(running.plan.join('\n')).not.toContain(server.studio.dataDir)

    // Another server on the same data folder, as after a restart.
    const { dataDir } = server.studio
    const other = new Runs({ dataDir, threads: 1, gpuNoise: 'cpu', machineLock: join(dataDir, 'training.lock') })
    expect(other.get(id).state).toBe('running')
    other.stop(id)
    const stopped = await until(id, ({ state }) => state !== 'running')
    expect([stopped.state, stopped.error]).toEqual(['stopped', null])
    const name = `foo-step${String(stopped.progress!.step).padStart(8, '0')}`
    expect(stopped.saved).toEqual([`${name}.safetensors`, `${name}-state`])
    expect(readdirSync(join(dataDir, 'models', 'Lora'))).toContain(`${name}.safetensors`)

    const { body } = await ask<WireRunCurves>('GET', `/runs/${id}`)
    const average = body.curves.find(({ tag }) => tag === 'loss/average')!
    expect(average.points.at(-1)).toMatchObject({ step: stopped.progress!.step })
    expect(average.points.at(-1)!.value).toBeCloseTo(stopped.progress!.averageLoss, 5)
    expect(body.curves.map(({ tag }) => tag)).toContain('lr/unet')

    const [sample] = (await ask<{ samples: { name: string; url: string }[] }>('GET', `/runs/${id}/samples`)).body
      .samples
    const file = await server.app.inject({ method: 'GET', url: sample!.url })
    expect([file.statusCode, file.headers['content-type'], file.rawPayload.subarray(1, 4).toString()]).toEqual([
      200,
      'image/png',
      'PNG',
    ])
    expect((await ask('GET', `/runs/${id}/samples/..%2f..%2fconfig.json`)).status).toBe(404)
    const log = await ask<{ text: string; next: number; size: number }>('GET', `/runs/${id}/logs`)
    expect(log.body.text).toContain('step 1/100000')
    expect((await ask<{ text: string }>('GET', `/runs/${id}/logs?from=${log.body.next}`)).body.text).toBe('')

    const curves = await server.app.inject({ method: 'GET', url: '/tensorboard/data/plugin/scalars/tags' })
    expect(Object.keys(curves.json() as object)).toEqual([running.logName])
    const images = await server.app.inject({ method: 'GET', url: '/tensorboard/data/plugin/images/tags' })
    expect(images.json()).toMatchObject({ [String(running.logName)]: { 'sample/0': {} } })
  },
  patienceMs,
)

test(
  'a training whose process is killed is not called done',
  async () => {
    const { body } = await ask<WireRun>('POST', '/runs', {
      parameters: { ...parameters, output_name: 'killed', max_train_steps: 100_000 },
    })
    await until(body.id, ({ state }) => state === 'running')
    await ask('POST', `/runs/${body.id}/cancel?now=true`)
    const ended = await until(body.id, ({ state }) => state !== 'running')
    expect(ended.state).toBe('lost')
    expect(ended.error).toMatchObject({ code: 'crashed' })
    expect((await ask('POST', `/runs/${body.id}/cancel`)).status).toBe(409)
    expect((await ask('DELETE', `/runs/${body.id}`)).status).toBe(204)
    expect((await ask('GET', `/runs/${body.id}`)).status).toBe(404)
  },
  patienceMs,
)

test(
  'a training that cannot begin fails with the reason',
  async () => {
    const wrong = { ...parameters, train_data_dir: 'foo', network_module: 'networks.nothing' }
    const { body } = await ask<WireRun>('POST', '/runs', { parameters: wrong })
    const ended = await until(body.id, ({ state }) => state !== 'starting' && state !== 'running')
    expect(ended.state).toBe('failed')
    expect(ended.error!.message).toContain('networks.nothing')
  },
  patienceMs,
)
