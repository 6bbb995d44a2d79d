import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataFolder } from '../../test/parity/dataFolder.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import type { Picture, Rgb8 } from '../image/picture.ts'
import { fromPixels } from '../image/pixels.ts'
import { readInfotext } from '../image/readInfotext.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { autoencoder } from './autoencoder.ts'
import { type GeneratedImage, type GenerateOptions, generate, type Progress, type Result } from './generate.ts'
import { previewPictures } from './preview.ts'
import type { Recipe } from './recipe.ts'
import { saveImage } from './saveImage.ts'
import { openStudio, type Studio } from './studio.ts'
import { recipeFromRequest } from './wire/recipeFromRequest.ts'

let data: ReturnType<typeof dataFolder>
let studio: Studio
beforeAll(() => {
  data = dataFolder()
  studio = openStudio(data.path, { threads: 1 })
})
afterAll(async () => {
  await studio.close()
  data.remove()
})

const small = {
  prompt: 'a red car',
  steps: 3,
  width: 64,
  height: 64,
  seed: 7,
  override_settings: { randn_source: 'CPU' },
}
const recipeOf = (body: object, endpoint: 'txt2img' | 'img2img' = 'txt2img') =>
  recipeFromRequest({ ...small, ...body }, endpoint, studio)

/** Runs a recipe to its end. */
async function run(
  recipe: Recipe,
  options: GenerateOptions = {},
  on = studio,
): Promise<Result & { progress: Progress[] }> {
  const progress: Progress[] = []
  const job = generate(on, recipe, options)
  for (let next = await job.next(); ; next = await job.next()) {
    if (next.done) return { ...next.value, progress }
    progress.push(next.value)
  }
}

async function pictures(body: object, endpoint: 'txt2img' | 'img2img' = 'txt2img'): Promise<Picture[]> {
  return (await run(await recipeOf(body, endpoint))).images.map(({ picture }) => picture)
}

function largestDifference(a: Picture, b: Picture): number {
  expect([a.width, a.height]).toEqual([b.width, b.height])
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0)
}

const base64 = (file: string) => readFileSync(join('test/golden/inputs', file)).toString('base64')

describe('batch mates change nothing', () => {
  // These samplers look at a whole batch at once, in the noise they draw and in the steps they choose.
  test.each(['DPM++ SDE', 'DPM adaptive'])('with %s', async (sampler_name) => {
    const [alone] = await pictures({ seed: 8, sampler_name })
    const [, inBatch] = await pictures({ batch_size: 2, sampler_name })
    expect(inBatch).toEqual(alone)
  })

  test('where pictures are the start', async () => {
    const body = { init_images: [base64('init128.png')], mask: base64('mask128.png'), inpaint_full_res: false }
    const [alone] = await pictures({ ...body, seed: 8 }, 'img2img')
    const [, inBatch] = await pictures({ ...body, batch_size: 2 }, 'img2img')
    expect(inBatch).toEqual(alone)
  })
})

test('steps and pictures are told as they come, with what was found out at the end', async () => {
  const { progress, images, recipe, isInterrupted } = await run(await recipeOf({ n_iter: 2, batch_size: 2 }))
  const told = progress.map((each) =>
    each.kind === 'step' ? `${each.batch}:${each.step}/${each.steps}` : `picture ${each.image.index}`,
  )
  expect(told).toEqual([
    ...['0:1/3', '0:2/3', '0:3/3', 'picture 0', 'picture 1'],
    ...['1:1/3', '1:2/3', '1:3/3', 'picture 2', 'picture 3'],
  ])
  expect(images.map(({ index }) => index)).toEqual([0, 1, 2, 3])
  expect(recipe.checkpoint.hash).toMatch(/^d3d69a5716/)
  expect(isInterrupted).toBe(false)
})

test('a second pass is told apart and ends larger', async () => {
  const { progress, images } = await run(
    await recipeOf({ enable_hr: true, hr_second_pass_steps: 2, hr_upscaler: 'Nearest' }),
  )
  expect(progress.flatMap((each) => (each.kind === 'step' ? [each.pass] : []))).toEqual([
    ...Array(3).fill('first'),
    ...Array(2).fill('hires'),
  ])
  expect(images[0]!.picture).toMatchObject({ width: 128, height: 128 })
})

describe('whoever asks to stop', () => {
  test('by the signal gets an error before the next step', async () => {
    const stop = new AbortController()
    const job = generate(studio, await recipeOf({ steps: 20 }), { signal: stop.signal })
    expect((await job.next()).value).toMatchObject({ kind: 'step', step: 1 })
    stop.abort()
    await expect(job.next()).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('before the start gets no step at all', async () => {
    await expect(run(await recipeOf({}), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('by interrupting gets what was reached, and no further batch', async () => {
    const stop = new AbortController()
    const job = generate(studio, await recipeOf({ steps: 20, n_iter: 3 }), { interrupt: stop.signal })
    await job.next()
    stop.abort()
    const rest: unknown[] = []
    let result: Result | undefined
    for (let next = await job.next(); ; next = await job.next()) {
      if (next.done) {
        result = next.value
        break
      }
      rest.push(next.value.kind)
    }
    expect(rest).toEqual(['image'])
    expect(result).toMatchObject({ isInterrupted: true, images: [{ index: 0 }] })
  })

  test('by skipping gets what the batch has reached, and the next batches whole', async () => {
    const recipe = await recipeOf({ steps: 4, n_iter: 3 })
    const skip = { isMade: false }
    const steps: number[] = []
    const pictures: Rgb8[] = []
    let reached: Tensor | undefined
    for await (const event of generate(studio, recipe, { skip })) {
      if (event.kind === 'image') pictures.push(event.image.picture)
      else steps.push(event.batch)
      if (event.kind === 'step' && event.batch === 1 && event.step === 2) {
        skip.isMade = true
        reached = event.denoised
      }
    }
    expect(steps).toEqual([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    const vae = autoencoder(studio.model(recipe), false, studio.pool)
    expect(pictures).toHaveLength(3)
    expect(pictures[1]).toEqual(fromPixels(await vae.decode(reached!))[0])
  })
})

describe('an inpainting checkpoint', () => {
  // With weights of zero for what it sees beside the latent it must paint what the plain checkpoint does; with others
  // it must not, or it would not have looked.
  function inpaintingModel(name: string, extra: number): void {
    const { entries, metadata } = openWeights(join(data.path, 'models/Stable-diffusion/tiny-sd1.safetensors'))
    const conv = 'model.diffusion_model.input_blocks.0.0.weight'
    const tensors = [...entries.values()].map((entry): WeightEntry => {
      if (entry.name !== conv) return entry
      const { shape, data: weight } = readWeight(entry)
      const [out, , height, width] = shape as [number, number, number, number]
      const area = height * width
      const widened = Float32Array.from({ length: out * 9 * area }, (_, i) => extra * Math.sin(i))
      for (let o = 0; o < out; o++) widened.set(weight.subarray(o * 4 * area, (o + 1) * 4 * area), o * 9 * area)
      const bytes = new Uint8Array(widened.buffer)
      return { name: conv, dtype: 'F32', shape: [out, 9, height, width], sizeBytes: bytes.length, location: { bytes } }
    })
    const path = join(data.path, 'models/Stable-diffusion', `${name}.safetensors`)
    writeSafetensors(path, tensors, metadata)
    const yaml = readFileSync(join(data.path, 'models/Stable-diffusion/tiny-sd1.yaml'), 'utf8')
    writeFileSync(path.replace('.safetensors', '.yaml'), yaml.replace('in_channels: 4', 'in_channels: 9'))
  }
  const on = (checkpoint: string, body: object) => ({
    ...body,
    override_settings: { ...small.override_settings, sd_model_checkpoint: checkpoint },
  })
  const masked = {
    init_images: [base64('init128.png')],
    mask: base64('mask128.png'),
    inpaint_full_res: false,
    inpainting_fill: 1,
  }

  test('paints what its plain twin does where it does not look, and tells that it could', async () => {
    inpaintingModel('blind-inpainting', 0)
    const [plain] = await pictures({})
    const blind = await run(await recipeOf(on('blind-inpainting', {})))
    expect(blind.images[0]!.picture).toEqual(plain)
    expect(blind.usesInpaintingConditioning).toBe(true)
    expect(blind.images[0]!.infotext).toContain('Conditional mask weight: 1.0')
    const [plainMasked] = await pictures(masked, 'img2img')
    expect(await pictures(on('blind-inpainting', masked), 'img2img')).toEqual([plainMasked])
  })

  test('looks at the mask and at what it leaves', async () => {
    inpaintingModel('seeing-inpainting', 0.05)
    const [plain] = await pictures(masked, 'img2img')
    const [seeing] = await pictures(on('seeing-inpainting', masked), 'img2img')
    const [otherPicture] = await pictures(
      on('seeing-inpainting', { ...masked, init_images: [base64('init128_rgba.png')] }),
      'img2img',
    )
    expect(largestDifference(seeing!, plain!)).toBeGreaterThan(2)
    expect(largestDifference(seeing!, otherPicture!)).toBeGreaterThan(2)
  })
})

describe('a refiner', () => {
  const refined = (switchAt: number, body: object = {}) => ({
    refiner_checkpoint: 'tiny-sd1-copy',
    refiner_switch_at: switchAt,
    ...body,
  })
  beforeAll(() => {
    for (const ext of ['safetensors', 'yaml']) {
      copyFileSync(
        join(data.path, `models/Stable-diffusion/tiny-sd1.${ext}`),
        join(data.path, `models/Stable-diffusion/tiny-sd1-copy.${ext}`),
      )
    }
  })

  test('that is the same model changes nothing but the infotext', async () => {
    const [plain] = await pictures({ steps: 6 })
    const { images } = await run(await recipeOf(refined(0.5, { steps: 6 })))
    expect(images[0]!.picture).toEqual(plain)
    expect(images[0]!.infotext).toContain('Refiner: tiny-sd1-copy [d3d69a5716], Refiner switch at: 0.5')
  })

  test('of another kind takes over with its own reading of the prompt', async () => {
    const body = { steps: 6, refiner_checkpoint: 'tiny-sd2v' }
    const [plain] = await pictures({ steps: 6 })
    const [late] = await pictures({ ...body, refiner_switch_at: 0.8 })
    const [early] = await pictures({ ...body, refiner_switch_at: 0.3 })
    expect(late).not.toEqual(plain)
    expect(early).not.toEqual(late)
  })
})

/** A tensor of zeros but for what is said of it, as a file holds it. */
function entry(name: string, shape: readonly number[], ones: readonly number[] = []): WeightEntry {
  const values = new Float32Array(shape.reduce((size, dim) => size * dim, 1))
  for (const at of ones) values[at] = 1
  return { name, dtype: 'F32', shape, sizeBytes: values.byteLength, location: { bytes: new Uint8Array(values.buffer) } }
}

test('an upscaler model enlarges for the second pass: one that adds nothing is the nearest neighbour', async () => {
  const file = [
    entry('body.0.weight', [4, 3, 3, 3]),
    entry('body.0.bias', [4]),
    entry('body.1.weight', [4]),
    entry('body.2.weight', [12, 4, 3, 3]),
    entry('body.2.bias', [12]),
  ]
  mkdirSync(join(data.path, 'models/ESRGAN'), { recursive: true })
  writeSafetensors(join(data.path, 'models/ESRGAN/Plain.safetensors'), file)
  const hires = { enable_hr: true, denoising_strength: 0.4 }
  const [nearest] = await pictures({ ...hires, hr_upscaler: 'Nearest' })
  const upscaled = await run(await recipeOf({ ...hires, hr_upscaler: 'Plain' }))
  expect(upscaled.images[0]!.picture).toEqual(nearest)
  expect(upscaled.images[0]!.infotext).toContain('Hires upscaler: Plain')
})

test('another checkpoint takes the place of the one before, whose memory is freed', async () => {
  const [first] = await pictures({})
  const [other] = await pictures({ override_settings: { sd_model_checkpoint: 'tiny-sd2v', randn_source: 'CPU' } })
  expect(other).not.toEqual(first)
  expect(await pictures({})).toEqual([first])
})

test('previews show the picture at an eighth where there is no small decoder', async () => {
  const { progress } = await run(await recipeOf({}))
  const step = progress.find((each) => each.kind === 'step')
  const [preview] = await previewPictures(studio, step!.denoised)
  expect(preview).toMatchObject({ width: 8, height: 8, channels: 3 })
})

test('a small decoder shows the steps, and decodes the picture where that is asked for', async () => {
  // Its convolutions pass the first three channels of the latent on, and three doublings make eight pixels of a point.
  const passing = (name: string, inputs: number) =>
    entry(
      name,
      [3, inputs, 3, 3],
      [0, 1, 2].map((channel) => (channel * inputs + channel) * 9 + 4),
    )
  const doublings = [3, 4, 5].map((place) => passing(`${place}.weight`, 3))
  mkdirSync(join(data.path, 'models/VAE-taesd'), { recursive: true })
  writeSafetensors(join(data.path, 'models/VAE-taesd/taesd_decoder.safetensors'), [
    passing('1.weight', 4),
    entry('1.bias', [3]),
    ...doublings,
  ])
  const override_settings = { ...small.override_settings, sd_vae_decode_method: 'TAESD' }
  const { progress, images } = await run(await recipeOf({ override_settings }))
  const last = progress.findLast((each) => each.kind === 'step')
  const [preview] = await previewPictures(studio, last!.denoised)
  expect(preview).toMatchObject({ width: 64, height: 64 })
  // The last Euler step ends at the model's estimate itself.
  expect(images[0]!.picture).toEqual(preview)
  expect(images[0]!.infotext).toContain('VAE Decoder: TAESD')
})

describe('saving', () => {
  const saved = async (settings: Record<string, unknown>, body: object = {}) => {
    const folder = dataFolder()
    writeFileSync(join(folder.path, 'config.json'), JSON.stringify(settings))
    const own = openStudio(folder.path)
    const recipe = await recipeOf(body)
    const { images } = await run(recipe)
    const paths: string[] = []
    for (const image of images) paths.push((await saveImage(own, recipe, image)).path)
    return { folder, paths, images: images as GeneratedImage[] }
  }

  test('goes below outputs, into a folder for the day, under a number and the seed', async () => {
    const { folder, paths, images } = await saved({}, { batch_size: 2 })
    const day = /^outputs\/txt2img-images\/\d{4}-\d\d-\d\d\//
    const relative = paths.map((path) => path.slice(folder.path.length + 1))
    expect(relative[0]).toMatch(new RegExp(`${day.source}00000-7\\.png$`))
    expect(relative[1]).toMatch(new RegExp(`${day.source}00001-8\\.png$`))
    expect((await readInfotext(readFileSync(paths[1]!))).infotext).toBe(images[1]!.infotext)
    folder.remove()
  })

  test('follows the options’ pattern, format and folders', async () => {
    const { folder, paths, images } = await saved({
      samples_filename_pattern: '[model_name]-[cfg]-[sampler]',
      samples_format: 'jpg',
      save_to_dirs: false,
      outdir_samples: 'mine',
      save_txt: true,
    })
    expect(paths).toEqual([join(folder.path, 'mine', '00000-tiny-sd1-7.0-Euler.jpg')])
    expect((await readInfotext(readFileSync(paths[0]!))).infotext).toBe(images[0]!.infotext)
    expect(readFileSync(join(folder.path, 'mine', '00000-tiny-sd1-7.0-Euler.txt'), 'utf8')).toBe(
      `${images[0]!.infotext}\n`,
    )
    folder.remove()
  })

  test('into a folder of one’s own leaves nothing else behind', async () => {
    const recipe = await recipeOf({})
    const { images } = await run(recipe)
    const folder = join(data.path, 'own')
    const { path } = await saveImage(studio, recipe, images[0]!, { folder, format: 'webp' })
    expect(path).toBe(join(folder, '00000-7.webp'))
    expect(readdirSync(folder)).toEqual(['00000-7.webp'])
    expect(existsSync(join(data.path, 'outputs'))).toBe(false)
  })
})
