import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toRgb } from '../../src/image/channels.ts'
import { decodePicture } from '../../src/image/decode.ts'
import { readInfotext } from '../../src/image/readInfotext.ts'
import { casesOf, golden, requestOf } from '../parity/recorded.ts'
import { expectSamePicture, limits } from '../parity/replay.ts'
import { ask, contractServer } from './contractServer.ts'

const server = contractServer()

const bytesOf = (image: string) => Buffer.from(image, 'base64')
const pictureOf = async (image: string) => toRgb(await decodePicture(bytesOf(image)))

interface Reply {
  readonly images: string[]
  readonly parameters: Record<string, unknown>
  readonly info: string
}

const small = { prompt: 'a cat', steps: 2, width: 64, height: 64, seed: 1, override_settings: { randn_source: 'CPU' } }

async function make(body: object, endpoint = 'txt2img') {
  const { status, answer } = await ask(server(), 'POST', `/sdapi/v1/${endpoint}`, body)
  const { images, parameters, info } = answer as unknown as Reply
  return {
    status,
    answer,
    images,
    parameters,
    info: status === 200 ? (JSON.parse(info) as Record<string, unknown>) : {},
  }
}

// Every recorded request is replayed in test/parity; here a few of each kind go over real HTTP.
const overHttp = [
  'sampler/euler_a-automatic-cpu',
  'hires/latent',
  'img2img/d0.75',
  'inpaint/original-whole',
  'lora/both',
  'script/prompts_from_file',
  'xyz/sampler_dropdown',
]

describe('recorded requests give their recorded pictures over HTTP', () => {
  test.each(overHttp)('%s', async (id) => {
    const { app } = server()
    if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' })
    const address = app.server.address() as { port: number }
    const each = casesOf(id.split('/')[0]!).find((one) => one.id === id)!
    const response = await fetch(`http://127.0.0.1:${address.port}/sdapi/v1/${each.endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(requestOf(each)),
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-process-time')).toMatch(/^\d+\.\d{4}$/)
    const { images, info } = (await response.json()) as Reply
    expect((JSON.parse(info) as { infotexts: string[] }).infotexts).toEqual(each.infotexts)
    expect(images).toHaveLength(each.images.length)
    for (const [i, { file, infotext }] of each.images.entries()) {
      const expected = toRgb(await decodePicture(readFileSync(join(golden, file))))
      expectSamePicture(await pictureOf(images[i]!), expected, limits)
      expect((await readInfotext(bytesOf(images[i]!))).infotext).toBe(infotext ?? undefined)
    }
  })
})

test('the request of the issue, word by word, gives four pictures', async () => {
  const { answer: models } = await ask(server(), 'GET', '/sdapi/v1/sd-models')
  const [{ title }] = models as unknown as [{ title: string }]
  const { status, images, info } = await make({
    prompt: 'a cat',
    width: 32,
    height: 32,
    sampler_index: 'DPM++ 2M Karras',
    cfg_scale: 15,
    steps: 30,
    seed: -1,
    override_settings: { sd_model_checkpoint: title, CLIP_stop_at_last_layers: 2 },
    enable_hr: true,
    denoising_strength: 0.7,
    hr_scale: 2,
    hr_upscaler: 'Latent',
    batch_size: 4,
    n_iter: 1,
  })
  expect(status).toBe(200)
  expect(images).toHaveLength(4)
  for (const image of images) expect(await pictureOf(image)).toMatchObject({ width: 64, height: 64 })
  const seeds = info.all_seeds as number[]
  expect(seeds).toEqual([0, 1, 2, 3].map((i) => seeds[0]! + i))
  expect(info).toMatchObject({
    sampler_name: 'DPM++ 2M',
    clip_skip: 2,
    steps: 30,
    cfg_scale: 15,
    denoising_strength: 0.7,
  })
  expect((info.infotexts as string[])[3]).toContain(`Schedule type: Karras, CFG scale: 15.0, Seed: ${seeds[3]}`)
})

describe('what is sent and kept', () => {
  const saved = (folder: string) => {
    try {
      return readdirSync(join(server().path, 'outputs', folder), { recursive: true, encoding: 'utf8' }).filter((name) =>
        /\.\w+$/.test(name),
      )
    } catch {
      return []
    }
  }

  test('nothing is saved unless asked for', async () => {
    await make(small)
    expect([...saved('txt2img-images'), ...saved('txt2img-grids')]).toEqual([])
  })

  test('what is saved comes back with its grid first', async () => {
    server().studio.optionsFile.set({ samples_save: true, grid_save: true })
    const { images, info } = await make({ ...small, batch_size: 2, save_images: true })
    expect(images).toHaveLength(3)
    expect(info.index_of_first_image).toBe(1)
    expect(info.infotexts).toHaveLength(3)
    expect(await pictureOf(images[0]!)).toMatchObject({ width: 128, height: 64 })
    expect(saved('txt2img-images')).toHaveLength(2)
    expect(saved('txt2img-grids')).toEqual([expect.stringMatching(/grid-0000\.png$/)])
  })

  test('pictures come in the format that the request sets, their infotext in EXIF', async () => {
    const { images } = await make({ ...small, override_settings: { samples_format: 'jpg', randn_source: 'CPU' } })
    const bytes = bytesOf(images[0]!)
    expect([...bytes.subarray(0, 2)]).toEqual([0xff, 0xd8])
    expect((await readInfotext(bytes)).infotext).toMatch(/^a cat\nSteps: 2/)
  })

  test('start pictures come back only where they are wanted', async () => {
    const init_images = [readFileSync(join(golden, 'inputs/init128.png')).toString('base64')]
    const body = { ...small, init_images, denoising_strength: 0.1 }
    expect((await make(body, 'img2img')).parameters.init_images).toBeNull()
    const { parameters } = await make({ ...body, include_init_images: true }, 'img2img')
    expect(parameters.init_images).toEqual(init_images)
  })

  test('an infotext fills in what the request leaves out', async () => {
    const infotext = 'a dog\nSteps: 3, Sampler: Euler a, CFG scale: 4, Seed: 9, Size: 64x64, Clip skip: 2'
    const { parameters, info } = await make({ infotext, steps: 2 })
    expect(parameters).toMatchObject({ prompt: 'a dog', steps: 2, seed: 9, sampler_name: 'Euler a', infotext })
    expect(info).toMatchObject({ prompt: 'a dog', steps: 2, seed: 9, clip_skip: 2, cfg_scale: 4 })
  })

  test('overrides that are not restored stay until the option is set', async () => {
    await make({
      ...small,
      override_settings: { CLIP_stop_at_last_layers: 3 },
      override_settings_restore_afterwards: false,
    })
    expect((await make({ ...small, override_settings: {} })).info.clip_skip).toBe(3)
    expect((await ask(server(), 'GET', '/sdapi/v1/options')).answer.CLIP_stop_at_last_layers).toBe(3)
    await ask(server(), 'POST', '/sdapi/v1/options', { CLIP_stop_at_last_layers: 1 })
    expect((await make({ ...small, override_settings: {} })).info.clip_skip).toBe(1)
  })
})
