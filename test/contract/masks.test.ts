import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { toRgb } from '../../src/image/channels.ts'
import { decodePicture } from '../../src/image/decode.ts'
import { encodePng } from '../../src/image/encode.ts'
import { crop, type Picture, picture } from '../../src/image/picture.ts'
import { readInfotext } from '../../src/image/readInfotext.ts'
import type { WireJob } from '../../src/server/native/schemas.ts'
import { golden } from '../parity/recorded.ts'
import { ask, contractServer } from './contractServer.ts'

const server = contractServer()
const side = 64
const isMasked = (x: number, y: number) => x >= 16 && x < 40 && y >= 8 && y < 32
const mask = picture(
  1,
  side,
  side,
  Uint8Array.from({ length: side * side }, (_, i) => (isMasked(i % side, Math.floor(i / side)) ? 255 : 0)),
)
const whole = toRgb(await decodePicture(readFileSync(join(golden, 'inputs/init128.png'))))
const start = crop(whole, { left: 0, top: 0, right: side, bottom: side })
const encoded = async (source: Picture) => Buffer.from(await encodePng(source)).toString('base64')
const bytesOf = (image: string) => Buffer.from(image, 'base64')
const decoded = (images: readonly string[]) => Promise.all(images.map((image) => decodePicture(bytesOf(image))))

async function make(body: object, options: object = {}) {
  const { status, answer } = await ask(server(), 'POST', '/sdapi/v1/img2img', {
    ...{ prompt: 'a cat', steps: 1, width: side, height: side, seed: 1, denoising_strength: 0.9 },
    ...{ init_images: [await encoded(start)], mask: await encoded(mask) },
    ...{ mask_blur: 0, inpaint_full_res: false },
    ...body,
    override_settings: { randn_source: 'CPU', ...options },
  })
  expect(status).toBe(200)
  const { images, info } = answer as { images: string[]; info: string }
  return { images, info: JSON.parse(info) as { infotexts: string[]; all_seeds: number[] } }
}

/** The mask as it was drawn, and what the sample shows under it alone. */
function expectBeside(sample: Picture, drawn: Picture, composite: Picture): void {
  expect(drawn).toEqual(toRgb(mask))
  expect(composite).toMatchObject({ channels: 4, width: side, height: side })
  const expected = picture(4, side, side)
  for (let i = 0; i < mask.data.length; i++) {
    if (mask.data[i] === 255) expected.data.set([...sample.data.subarray(i * 3, i * 3 + 3), 255], i * 4)
  }
  expect(composite).toEqual(expected)
}

const both = { return_mask: true, return_mask_composite: true }

describe('return_mask and return_mask_composite', () => {
  test.each([
    ['the whole picture', {}],
    ['only the masked part', { inpaint_full_res: true, inpaint_full_res_padding: 4 }],
  ])('of %s, each of several pictures is followed by its mask and its composite', async (_, body) => {
    const plain = await make({ ...body, batch_size: 2, n_iter: 2 })
    expect(plain.images).toHaveLength(4)
    const { images, info } = await make({ ...body, batch_size: 2, n_iter: 2 }, both)
    expect(images.filter((_, i) => i % 3 === 0)).toEqual(plain.images)
    expect(new Set(plain.images).size).toBe(4)
    expect(info).toMatchObject({ infotexts: plain.info.infotexts, all_seeds: [1, 2, 3, 4] })
    const all = await decoded(images)
    expect(all).toHaveLength(12)
    for (let i = 0; i < all.length; i += 3) {
      expectBeside(all[i]!, all[i + 1]!, all[i + 2]!)
      expect((await readInfotext(bytesOf(images[i]!))).infotext).toBe(info.infotexts[i / 3])
      expect((await readInfotext(bytesOf(images[i + 1]!))).infotext).toBeUndefined()
      expect((await readInfotext(bytesOf(images[i + 2]!))).infotext).toBeUndefined()
    }
  })

  test('are options of the folder too, each by itself', async () => {
    const { optionsFile } = server().studio
    optionsFile.set({ return_mask_composite: true })
    const { images } = await make({})
    optionsFile.set({ return_mask_composite: false })
    const [, composite] = await decoded(images)
    expect([images.length, composite!.channels]).toEqual([2, 4])
  })

  test('find nothing where there is no mask', async () => {
    expect((await make({ mask: null }, both)).images).toHaveLength(1)
  })

  test('tell the soft mask that each picture came to', async () => {
    const soft = { 'Soft Inpainting': { args: [true] } }
    const { images } = await make({ batch_size: 2, mask_blur: 8, alwayson_scripts: soft }, both)
    const all = await decoded(images)
    expect(all[1]).not.toEqual(all[4])
    for (const [sample, drawn, composite] of [all.slice(0, 3), all.slice(3)]) {
      expect(new Set(drawn!.data).size).toBeGreaterThan(2)
      for (let i = 0; i < side * side; i++) {
        const share = drawn!.data[i * 3]! / 255
        expect(composite!.data[i * 4 + 3]).toBe(share * 255)
        for (let c = 0; c < 3; c++) {
          const mixed = composite!.data[i * 4 + c]! * share + start.data[i * 3 + c]! * (1 - share)
          // Both pictures of the mixture, and itself, were cut to whole numbers.
          expect(Math.abs(sample!.data[i * 3 + c]! - mixed)).toBeLessThanOrEqual(3)
        }
      }
    }
  })

  test('are followed by scripts that hand out pictures as they are', async () => {
    const script = {
      script_name: 'prompts from file or textbox',
      script_args: [false, false, 'start', 'a dog\na bird'],
    }
    const { images, info } = await make(script, both)
    const all = await decoded(images)
    expect(all).toHaveLength(6)
    for (const i of [0, 3]) expectBeside(all[i]!, all[i + 1]!, all[i + 2]!)
    expect(info.infotexts).toHaveLength(2)
  })

  test('name their files with the picture of the job', async () => {
    const { images } = await make({}, both)
    const { answer } = await ask(server(), 'GET', '/api/v1/jobs?limit=1')
    const [{ pictures }] = (answer as unknown as { jobs: WireJob[] }).jobs as [WireJob]
    const [{ byProducts, url }] = pictures as unknown as [(typeof pictures)[number]]
    expect(byProducts.map(({ kind }) => kind)).toEqual(['mask', 'mask composite'])
    for (const [i, address] of [url, ...byProducts.map((each) => each.url)].entries()) {
      const { rawPayload } = await server().app.inject(address)
      expect(rawPayload.equals(bytesOf(images[i]!))).toBe(true)
    }
  })
})

describe('save_mask and save_mask_composite', () => {
  const folder = (kind: string) => join(server().path, 'outputs', `img2img-${kind}`)
  const saved = (kind = 'images') =>
    readdirSync(folder(kind), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.png'))
      .map((name) => name.slice(name.lastIndexOf('/') + 1))
      .sort()
  const savedBytes = (name: string) =>
    readFileSync(
      join(
        folder('images'),
        readdirSync(folder('images'), { recursive: true, encoding: 'utf8' }).find((each) => each.endsWith(name))!,
      ),
    )
  const saving = { samples_save: true, save_mask: true, save_mask_composite: true }
  afterEach(() => rmSync(join(server().path, 'outputs'), { recursive: true, force: true }))

  test('put both beside each saved picture, with its infotext, and send neither', async () => {
    const { images, info } = await make(
      { batch_size: 2, save_images: true },
      { ...saving, return_grid: false, grid_save: false },
    )
    expect(images).toHaveLength(2)
    expect(saved()).toEqual([
      ...['00000-1.png', '00001-1-mask.png', '00002-1-mask-composite.png'],
      ...['00003-2.png', '00004-2-mask.png', '00005-2-mask-composite.png'],
    ])
    for (const [i, seed] of [1, 2].entries()) {
      const names = [`-${seed}.png`, `-${seed}-mask.png`, `-${seed}-mask-composite.png`]
      const files = names.map(savedBytes)
      const [sample, drawn, composite] = await Promise.all(files.map((file) => decodePicture(file)))
      expect(sample).toEqual((await decoded(images))[i])
      expectBeside(sample!, drawn!, composite!)
      for (const file of files) expect((await readInfotext(file)).infotext).toBe(info.infotexts[i])
    }
  })

  test('leave the grid to the pictures, and save nothing where nothing is to be saved', async () => {
    await make({}, saving)
    expect(() => saved()).toThrow('ENOENT')
    const { images, info } = await make({ batch_size: 2, save_images: true }, { ...saving, ...both, grid_save: true })
    expect(images).toHaveLength(7)
    const [grid, ...rest] = await decoded(images)
    expect(grid).toMatchObject({ width: 2 * side, height: side })
    for (const i of [0, 3]) expectBeside(rest[i]!, rest[i + 1]!, rest[i + 2]!)
    expect(info.infotexts).toHaveLength(3)
    expect(saved('grids')).toEqual(['grid-0000.png'])
    expect(saved()).toHaveLength(6)
  })

  test('are followed by scripts, too', async () => {
    const script = { script_name: 'prompts from file or textbox', script_args: [false, false, 'start', 'a dog'] }
    await make({ ...script, save_images: true }, { ...saving, grid_save: false })
    expect(saved()).toEqual(['00000-1.png', '00001-1-mask.png', '00002-1-mask-composite.png'])
  })
})
