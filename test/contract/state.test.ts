import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openBlip, usualCaptioning } from '../../src/dataset/tagging/blip/openBlip.ts'
import { openWeights } from '../../src/files/openWeights.ts'
import { writeSafetensors } from '../../src/files/writeSafetensors.ts'
import { toOnnx } from '../../src/graph/onnx.ts'
import { add, cast, concat, constant, cos, mul, reduceMean, reshape, sin } from '../../src/graph/ops.ts'
import { Graph, type Value } from '../../src/graph/value.ts'
import { toRgb } from '../../src/image/channels.ts'
import { decodePicture } from '../../src/image/decode.ts'
import { encodePng } from '../../src/image/encode.ts'
import { filled } from '../../src/image/picture.ts'
import { readInfotext } from '../../src/image/readInfotext.ts'
import { writeTinyBlip } from '../models/tinyBlip.ts'
import { golden } from '../parity/recorded.ts'
import { ask, contractServer } from './contractServer.ts'

const server = contractServer({ canBeStopped: true })
const post = (path: string, body: object = {}) => ask(server(), 'POST', path, body)
const get = (path: string) => ask(server(), 'GET', path)

const small = { prompt: 'a cat', width: 64, height: 64, seed: 1, override_settings: { randn_source: 'CPU' } }
const source = readFileSync(join(golden, 'inputs/init128.png')).toString('base64')

interface Progress {
  readonly progress: number
  readonly eta_relative: number
  readonly state: { readonly job_count: number; readonly job_no: number; readonly sampling_steps: number }
  readonly current_image: string | null
}

/** Waits until something is so. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const underWay = () =>
  until(async () => {
    const answer = (await get('/sdapi/v1/progress')).answer as unknown as Progress
    return answer.progress > 0.01 ? answer : undefined
  })

describe('work under way', () => {
  test('is told of, and interrupted with what there is', async () => {
    server().studio.optionsFile.set({ live_previews_enable: true, show_progress_every_n_steps: 1 })
    const running = post('/sdapi/v1/txt2img', { ...small, steps: 2000, n_iter: 3, force_task_id: 'task(mine)' })
    const { progress, eta_relative, state } = await underWay()
    expect(progress).toBeGreaterThan(0)
    expect(progress).toBeLessThanOrEqual(1)
    expect(eta_relative).toBeGreaterThan(0)
    expect(state).toMatchObject({ job_count: 3, job_no: 0, sampling_steps: 2000, interrupted: false })

    const { answer: told } = await post('/internal/progress', { id_task: 'task(mine)', id_live_preview: -1 })
    expect(told).toMatchObject({ active: true, queued: false, completed: false })
    expect(String(told.live_preview)).toMatch(/^data:image\/png;base64,/)

    expect((await post('/sdapi/v1/interrupt')).answer).toEqual({})
    const { status, answer } = await running
    expect(status).toBe(200)
    const { images } = answer as unknown as { images: string[] }
    expect(images).toHaveLength(1)
    expect(await decodePicture(Buffer.from(images[0]!, 'base64'))).toMatchObject({ width: 64, height: 64 })

    const { state: after, ...idle } = (await get('/sdapi/v1/progress')).answer
    expect(idle).toMatchObject({ progress: 0, eta_relative: 0, current_image: null })
    expect(after).toMatchObject({ interrupted: true, job_count: 0 })
    const ended = await post('/internal/progress', { id_task: 'task(mine)' })
    expect(ended.answer).toMatchObject({ active: false, completed: true, textinfo: 'Waiting...' })
  })

  test('skips to the next batch', async () => {
    const running = post('/sdapi/v1/txt2img', { ...small, steps: 40, n_iter: 2 })
    await underWay()
    expect((await post('/sdapi/v1/skip')).answer).toBeNull()
    const { answer } = await running
    expect((answer as unknown as { images: string[] }).images).toHaveLength(2)
  })

  test('an interruption while nothing runs stops nothing', async () => {
    await post('/sdapi/v1/interrupt')
    expect((await post('/sdapi/v1/txt2img', { ...small, steps: 1 })).status).toBe(200)
  })

  test('an X/Y/Z plot that is interrupted leaves the other cells empty', async () => {
    const script_args = [1, '1-3', [], 0, '', [], 0, '', [], false, true, false, false, false, false, false, 0, true]
    const running = post('/sdapi/v1/txt2img', { ...small, steps: 300, script_name: 'X/Y/Z plot', script_args })
    await underWay()
    await post('/sdapi/v1/interrupt')
    const { status, answer } = await running
    expect(status).toBe(200)
    const images = (answer as unknown as { images: string[] }).images
    expect(images).toHaveLength(4)
    const last = await decodePicture(Buffer.from(images[3]!, 'base64'))
    expect(last.data.every((value) => value === 0)).toBe(true)
  })
})

describe('finished pictures', () => {
  const infotext = 'a cat\nSteps: 2, Sampler: Euler a, CFG scale: 7.0, Seed: 1, Size: 64x64'

  test('are enlarged, and say so', async () => {
    const { answer } = await post('/sdapi/v1/extra-single-image', {
      image: source,
      upscaler_1: 'Lanczos',
      upscaling_resize: 1.5,
    })
    expect(answer.html_info).toBe('<p>Postprocess upscale by: 1.5, Postprocess upscaler: Lanczos</p>')
    const bytes = Buffer.from(String(answer.image), 'base64')
    expect(await decodePicture(bytes)).toMatchObject({ width: 192, height: 192 })
    expect((await readInfotext(bytes)).items.get('postprocessing')).toBe(
      'Postprocess upscale by: 1.5, Postprocess upscaler: Lanczos',
    )
  })

  test('fit a size, in batches too', async () => {
    const body = {
      imageList: [
        { data: source, name: 'a' },
        { data: source, name: 'b' },
      ],
      resize_mode: 1,
    }
    const size = { upscaling_resize_w: 96, upscaling_resize_h: 200, upscaler_1: 'Nearest' }
    const { answer } = await post('/sdapi/v1/extra-batch-images', { ...body, ...size })
    const images = (answer as unknown as { images: string[] }).images
    expect(images).toHaveLength(2)
    for (const image of images) {
      expect(await decodePicture(Buffer.from(image, 'base64'))).toMatchObject({ width: 96, height: 200 })
    }
  })

  test('without an upscaler stay as they are', async () => {
    const { answer } = await post('/sdapi/v1/extra-single-image', { image: `data:image/png;base64,${source}` })
    const same = await decodePicture(Buffer.from(String(answer.image), 'base64'))
    expect(same).toMatchObject({ width: 128, height: 128 })
    expect(answer.html_info).toBe('<p></p>')
  })

  test.each([
    [{ upscaling_resize: 0 }, 'body.upscaling_resize'],
    [{ gfpgan_visibility: 2 }, 'body.gfpgan_visibility'],
  ])('%o is refused as FastAPI does', async (fields, where) => {
    const { status, answer } = await post('/sdapi/v1/extra-single-image', { image: source, ...fields })
    expect(status).toBe(422)
    expect((answer.detail as { loc: string[] }[])[0]!.loc.join('.')).toBe(where)
  })

  test.each([
    ['/sdapi/v1/extra-single-image', { image: source, upscaler_1: 'nope' }, 'upscaler_1'],
    ['/sdapi/v1/extra-single-image', { image: source, codeformer_visibility: 1 }, 'codeformer_visibility'],
    ['/sdapi/v1/interrogate', { image: source }, 'model'],
    ['/sdapi/v1/interrogate', { image: source, model: 'deepdanbooru' }, 'model'],
  ])('%s names what it cannot do', async (path, body, field) => {
    const { status, answer } = await post(path, body)
    expect([status, answer.field]).toEqual([422, field])
  })

  test('tell how they were made', async () => {
    const { answer: made } = await post('/sdapi/v1/txt2img', { ...small, steps: 2, sampler_name: 'Euler a' })
    const [image] = (made as unknown as { images: string[] }).images
    const { answer } = await post('/sdapi/v1/png-info', { image })
    expect(String(answer.info)).toContain(infotext.slice(0, 30))
    expect(answer.items).toEqual({})
    expect(answer.parameters).toMatchObject({ Prompt: 'a cat', Steps: '2', Sampler: 'Euler a', 'Size-1': '64' })
    const empty = await post('/sdapi/v1/png-info', { image: source })
    expect(empty.answer).toMatchObject({ info: '', parameters: {} })
  })
})

describe('words for a picture', () => {
  /** A model that answers with numbers of its input, written by this program's own graphs. */
  function writeModel(path: string, build: (graph: Graph) => Record<string, Value>): void {
    const graph = new Graph()
    for (const [key, value] of Object.entries(build(graph))) graph.outputs.set(key, value)
    mkdirSync(dirname(path), { recursive: true })
    const none = () => {
      throw new Error('internal: no weights')
    }
    writeFileSync(path, toOnnx(graph, none))
  }
  const ask = (model: string) => post('/sdapi/v1/interrogate', { image: source, model })

  test('come from a tagger of the data folder, spelled as the options say', async () => {
    const folder = join(server().path, 'models', 'torch_deepdanbooru')
    // Four words whose scores are 0.9, 0.6, 0.8 and 0.4 whatever the picture; 0·mean keeps the input in use.
    writeModel(join(folder, 'model.onnx'), (graph) => {
      const mean = reshape(reduceMean(graph.input('input', [1, 8, 8, 3]), [1, 2, 3]), [1, 1])
      const scores = constant(graph, Float32Array.of(0.9, 0.6, 0.8, 0.4, 0.95), [1, 5])
      return { predictions: add(scores, mul(mean, constant(graph, Float32Array.of(0), [1, 1]))) }
    })
    writeFileSync(join(folder, 'tags.txt'), 'solo\nlong_hair\nartist_(style)\nsmile\nrating:safe\n')
    expect(await ask('deepdanbooru')).toMatchObject({
      status: 200,
      answer: { caption: 'artist \\(style\\), long hair, solo' },
    })
    await post('/sdapi/v1/options', { interrogate_deepbooru_score_threshold: 0.7, interrogate_return_ranks: true })
    expect((await ask('deepdanbooru')).answer.caption).toBe('(artist \\(style\\):0.800), (solo:0.900)')
    await post('/sdapi/v1/options', { deepbooru_sort_alpha: false, deepbooru_filter_tags: 'solo, smile' })
    expect((await ask('deepdanbooru')).answer.caption).toBe('(artist \\(style\\):0.800)')
  })

  test('come from a CLIP and the user’s lists: the most like of each, or as many as its name says', async () => {
    const folder = join(server().path, 'models', 'CLIP')
    const lists = join(server().path, 'interrogate')
    // The picture is (1, 0); a text is (cos, sin) of an angle that grows with the sum of its tokens.
    writeModel(join(folder, 'vision_model.onnx'), (graph) => {
      const mean = reshape(reduceMean(graph.input('pixel_values', [1, 3, 8, 8]), [1, 2, 3]), [1, 1])
      const none = constant(graph, Float32Array.of(0, 0), [1, 2])
      return { image_embeds: add(constant(graph, Float32Array.of(1, 0), [1, 2]), mul(mean, none)) }
    })
    writeModel(join(folder, 'text_model.onnx'), (graph) => {
      const ids = cast(graph.input('input_ids', [1, 77], 'int64'), 'float32')
      const mean = reshape(reduceMean(ids, [1]), [1, 1])
      const angle = mul(mean, constant(graph, Float32Array.of(1 / 60_000), [1, 1]))
      return { text_embeds: concat([cos(angle), sin(angle)], 1) }
    })
    mkdirSync(lists, { recursive: true })
    writeFileSync(join(lists, 'flavors.top2.txt'), 'a\na a a a a a a a a\n\na a a a\n')
    writeFileSync(join(lists, 'mediums.txt'), 'b b b b\nb\n')
    writeFileSync(join(lists, 'notes.md'), 'no list')
    const { status, answer } = await ask('clip')
    expect([status, String(answer.caption).replace(/:[\d.]+/g, '')]).toEqual([
      200,
      '(a a a a a a a a a), (a a a a), (b b b b)',
    ])
  })

  test('begin with the sentence of a BLIP, and are that alone where there is no CLIP', async () => {
    const path = writeTinyBlip(join(server().path, 'models', 'BLIP'))
    const refused = await ask('clip')
    expect([refused.status, refused.answer.field]).toEqual([422, 'max length'])

    const picture = toRgb(await decodePicture(Buffer.from(source, 'base64')))
    const sentence = async (beams: number) => {
      const asked = { ...usualCaptioning, minLength: 8, maxLength: 16, by: { kind: 'beams', beams } } as const
      const blip = await openBlip(path, asked, { threads: 1 })
      const caption = await blip.caption(picture)
      await blip.dispose()
      expect(caption).toMatch(/^w\d+( w\d+)+$/)
      return caption
    }
    await post('/sdapi/v1/options', { interrogate_clip_min_length: 8, interrogate_clip_max_length: 16 })
    const both = String((await ask('clip')).answer.caption)
    expect(both.startsWith(`${await sentence(1)}, (a a a`)).toBe(true)

    rmSync(join(server().path, 'models', 'CLIP'), { recursive: true })
    await post('/sdapi/v1/options', { interrogate_clip_num_beams: 3 })
    expect(await ask('clip')).toMatchObject({ status: 200, answer: { caption: await sentence(3) } })
  })
})

describe('masks', () => {
  const painted = async (side: number, level: number, own: object = {}) => {
    const mask = Buffer.from(await encodePng(filled(3, side, side, [level, level, level]))).toString('base64')
    const body = { ...small, width: 128, height: 128, steps: 2, init_images: [source], mask, ...own }
    const { status, answer } = await post('/sdapi/v1/img2img', body)
    expect(status).toBe(200)
    return toRgb(await decodePicture(Buffer.from((answer.images as string[])[0]!, 'base64')))
  }

  /** Values that differ between two pictures. */
  const differing = (a: Uint8Array, b: Uint8Array) => a.filter((value, i) => value !== b[i]).length

  test.each([32, 200])(
    'of another size (%i) are stretched: white paints all of a picture, black nothing',
    async (side) => {
      const before = toRgb(await decodePicture(Buffer.from(source, 'base64')))
      const black = await painted(side, 0, { inpaint_full_res: false })
      expect(differing(black.data, before.data)).toBe(0)
      const white = await painted(side, 255, { inpaint_full_res: false })
      expect(differing(white.data, before.data)).toBeGreaterThan(before.data.length / 2)
    },
  )

  test('without anything to paint are as none, where only the masked part is looked at', async () => {
    const unmasked = await painted(128, 0, { mask: null })
    const blank = await painted(128, 0, { inpaint_full_res: true })
    expect(differing(blank.data, unmasked.data)).toBe(0)
  })
})

describe('what a page shows of model files', () => {
  const at = (path: string) => server().app.inject({ url: `/sd_extra_networks/${path}` })

  test('is what their trainers wrote, previews beside them, and covers within', async () => {
    const folder = join(server().path, 'models', 'Lora')
    const { entries } = openWeights(join(golden, 'models', 'lora', 'tinylora.safetensors'))
    const cover = readFileSync(join(golden, 'inputs', 'init128.png'))
    const covers = JSON.stringify([cover.toString('base64'), Buffer.from('<script>').toString('base64')])
    const metadata = new Map([
      ['ss_tag', '{"a": 1}'],
      ['ssmd_cover_images', covers],
    ])
    writeSafetensors(join(folder, 'shown.safetensors'), entries.values(), metadata)
    writeFileSync(join(folder, 'shown.preview.png'), cover)
    const told = JSON.parse(((await at('metadata?page=lora&item=shown')).json() as { metadata: string }).metadata)
    expect(told).toMatchObject({ ss_tag: { a: 1 } })
    expect((await at('metadata?page=lora&item=nobody')).json()).toEqual({})
    const thumb = await at(`thumb?filename=${encodeURIComponent(join(folder, 'shown.preview.png'))}`)
    expect([thumb.statusCode, thumb.headers['content-type'], thumb.rawPayload]).toEqual([200, 'image/png', cover])
    const within = await at('cover-images?page=Lora&item=shown')
    expect([within.statusCode, within.rawPayload]).toEqual([200, cover])
    // What is no picture is not sent, whatever it is called.
    for (const path of ['cover-images?page=lora&item=shown&index=1', 'cover-images?page=lora&item=shown&index=9']) {
      expect((await at(path)).statusCode).toBe(404)
    }
    writeFileSync(join(folder, 'shown.preview.png'), '<script>')
    expect((await at(`thumb?filename=${encodeURIComponent(join(folder, 'shown.preview.png'))}`)).statusCode).toBe(404)
  })

  test('and no other file of the machine', async () => {
    const outside = ['/etc/passwd', join(server().path, 'config.json'), join(golden, 'inputs', 'init128.png'), '', '..']
    for (const path of outside) {
      expect([path, (await at(`thumb?filename=${encodeURIComponent(path)}`)).statusCode]).toEqual([path, 404])
    }
    for (const page of ['constructor', '__proto__', '../x']) {
      expect((await at(`metadata?page=${page}&item=toString`)).json()).toEqual({})
    }
    expect((await at('get-single-card?page=lora&name=x')).statusCode).toBe(404)
    expect((await at('nothing')).json()).toEqual({ detail: 'Not Found' })
  })
})

test('options are kept, unless they guard the server', async () => {
  const { status, answer } = await post('/sdapi/v1/options', { send_seed: false, api_useragent: 'x', jpeg_quality: 60 })
  expect([status, answer]).toEqual([200, null])
  expect((await get('/sdapi/v1/options')).answer).toMatchObject({
    send_seed: false,
    api_useragent: '',
    jpeg_quality: 60,
  })
  const config = JSON.parse(readFileSync(join(server().path, 'config.json'), 'utf8')) as Record<string, unknown>
  expect(config).toMatchObject({ send_seed: false, jpeg_quality: 60, ldsr_steps: 100 })
  expect((await post('/sdapi/v1/options', { jpeg_quality: 'high' })).answer.field).toBe('jpeg_quality')
})

test('an embedding is begun from words, and is then there to be used', async () => {
  const fields = { name: 'begun', num_vectors_per_token: 3, init_text: 'red cat' }
  const { answer } = await post('/sdapi/v1/create/embedding', fields)
  expect(answer.info).toBe(`create embedding filename: ${join(server().path, 'embeddings', 'begun.safetensors')}`)
  const { answer: list } = await get('/sdapi/v1/embeddings')
  expect((list as { loaded: object }).loaded).toMatchObject({ begun: { vectors: 3, shape: 96 } })
  expect((await post('/sdapi/v1/create/embedding', fields)).answer.error).toBe('conflict')
  for (const name of ['../x', '.x', 'a/b', '']) {
    expect((await post('/sdapi/v1/create/embedding', { ...fields, name })).answer.field).toBe('name')
  }
  expect(existsSync(join(server().path, 'x.safetensors'))).toBe(false)
})

test('the server is stopped where that was allowed', async () => {
  const reply = await server().app.inject({ method: 'POST', url: '/sdapi/v1/server-stop' })
  expect([reply.statusCode, reply.body, server().ends]).toEqual([200, 'Stopping.', ['stop']])
  expect((await post('/sdapi/v1/server-restart')).status).toBe(501)
})

test('a body that is no JSON is refused as FastAPI does', async () => {
  const reply = await server().app.inject({
    method: 'POST',
    url: '/sdapi/v1/txt2img',
    headers: { 'content-type': 'application/json' },
    payload: '{',
  })
  expect(reply.statusCode).toBe(422)
  expect(reply.json()).toMatchObject({ detail: [{ loc: ['body'], type: 'value_error.jsondecode' }] })
})

describe('with names and passwords', () => {
  const guarded = contractServer({ credentials: [{ name: 'me', password: 'se:cret' }] })
  const as = (authorization?: string) =>
    guarded().app.inject({ url: '/sdapi/v1/samplers', headers: authorization === undefined ? {} : { authorization } })
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

  test('whoever has none, or a wrong one, is told as the reference tells', async () => {
    const none = await as()
    expect([none.statusCode, none.json().detail]).toEqual([401, 'Not authenticated'])
    expect(none.headers['www-authenticate']).toMatch(/^Basic/)
    const wrong = await as(basic('me:other'))
    expect([wrong.statusCode, wrong.json().detail]).toEqual([401, 'Incorrect username or password'])
    expect((await as(basic('me:se:cret'))).statusCode).toBe(200)
  })
})
