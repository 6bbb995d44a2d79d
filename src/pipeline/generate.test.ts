import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataFolder } from '../../test/parity/dataFolder.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { toRgb } from '../image/channels.ts'
import { decodePicture } from '../image/decode.ts'
import type { Picture, Rgb8 } from '../image/picture.ts'
import { fromPixels } from '../image/pixels.ts'
import { readInfotext } from '../image/readInfotext.ts'
import { fitPicture } from '../image/resizeMode.ts'
import { approximateColours } from '../models/approxColours.ts'
import { type ModelConfig, sd2 } from '../models/configs.ts'
import { modelLayout } from '../models/layout.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { autoencoder } from './autoencoder.ts'
import { type GenerateOptions, generate, type Progress, type Result } from './generate.ts'
import { previewPictures } from './preview.ts'
import type { Recipe } from './recipe.ts'
import { saveGrid, saveImage, saveStartPictures } from './saveImage.ts'
import { openStudio, type Studio } from './studio.ts'
import type { StepProgress } from './walk.ts'
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

describe('strengths of a network within one batch', () => {
  const listed = [0.4, -1].map((strength) => ({
    prompt: `a red car <lora:tinylora:${strength}>`,
    negativePrompt: 'blurry',
    seed: 7,
  }))
  const batchWith = (networksOf: 'first picture' | 'each picture') =>
    recipeFromRequest({ ...small, steps: 1, batch_size: 2 }, 'txt2img', studio, { pictures: listed, networksOf })

  test('every picture is what it is alone, with the strengths of its own prompt', async () => {
    const { images } = await run(await batchWith('each picture'))
    for (const [i, { prompt }] of listed.entries()) {
      const [alone] = await pictures({ prompt, negative_prompt: 'blurry', steps: 1 })
      expect(images[i]!.picture, prompt).toEqual(alone)
    }
    expect(largestDifference(images[0]!.picture, images[1]!.picture)).toBeGreaterThan(0)
  })

  test('unless that is asked for, a batch has those of its first picture, as in the reference', async () => {
    const { images } = await run(await batchWith('first picture'))
    expect(images[1]!.picture).toEqual(images[0]!.picture)
  })
})

describe('sizes that do not fit each other', () => {
  const masked = { mask: base64('mask128.png'), inpaint_full_res: false, steps: 1, denoising_strength: 1 }

  test('an overlay of a picture whose sides are no multiple of eight is cut to what was painted', async () => {
    const body = { ...masked, init_images: [base64('init128.png')], width: 64, height: 71 }
    const [made] = await pictures(body, 'img2img')
    expect([made!.width, made!.height]).toEqual([64, 64])
    // The corner is outside of the mask.
    const start = fitPicture(
      toRgb(await decodePicture(readFileSync('test/golden/inputs/init128.png'))),
      'stretch',
      64,
      71,
    )
    expect(made!.data.subarray(0, 3)).toEqual(start.data.subarray(0, 3))
  })

  test.each([0, 1, 2, 3])('masked content %d with a latent that is resized', async (inpainting_fill) => {
    const body = { ...masked, init_images: [base64('init160x96.png')], resize_mode: 3, inpainting_fill }
    const [made] = await pictures(body, 'img2img')
    expect([made!.width, made!.height]).toEqual([64, 64])
  })

  test('tokens of a strip of one row have none to merge with', async () => {
    const override_settings = { ...small.override_settings, token_merging_ratio: 0.5 }
    const [made] = await pictures({ height: 8, steps: 1, override_settings })
    const [plain] = await pictures({ height: 8, steps: 1 })
    expect(made).toEqual(plain)
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
    const vae = autoencoder(studio.model(recipe), recipe, studio.pool)
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

test('a word that a network brings along means something where the network is asked for', async () => {
  const { entries } = openWeights(join(data.path, 'embeddings', 'tinyemb.pt'))
  const learnt = [...entries.values()].find(({ shape }) => shape.length === 2)!
  const folder = join(data.path, 'models/Lora')
  const silent = [
    entry('lora_unet_conv_in.lora_down.weight', [1, 4, 3, 3]),
    entry('lora_unet_conv_in.lora_up.weight', [32, 1, 1, 1]),
  ]
  const words = ['a vqx', 'tinyemb'].map((word) => ({ ...learnt, name: `bundle_emb.${word}.string_to_param.*` }))
  writeSafetensors(join(folder, 'brings.safetensors'), [...silent, ...words])
  const make = async (prompt: string) => (await run(await recipeOf({ prompt }))).images[0]!
  const own = await make('tinyemb in a field')
  const brought = await make('A VQX in a field <lora:brings:1>')
  expect(brought.picture).toEqual(own.picture)
  expect(brought.infotext).toContain('TI hashes: "a vqx: brings"')
  expect((await make('a vqx in a field')).picture).not.toEqual(own.picture)
  // What the folder has under that name stays.
  expect((await make('tinyemb in a field <lora:brings:1>')).infotext).toMatch(/TI hashes: "tinyemb: [0-9a-f]{12}"/)
})

describe('an SD 2 checkpoint of which nothing says what it predicts', () => {
  const tiny: ModelConfig = {
    ...sd2,
    text: { ...sd2.text, layers: 2, width: 64, mlpWidth: 64, vocabulary: 49408 },
    unet: { ...sd2.unet, channels: 64, mult: [1, 1], resBlocks: 1, attention: [true, false], contextWidth: 64 },
    vae: { ...sd2.vae, channels: 32, mult: [1, 1, 1, 1], resBlocks: 1 },
  }

  /** Writes one whose UNet answers a number everywhere; its estimate at the first step is given back. */
  async function firstEstimate(answer: number, parameterization?: string): Promise<Float32Array> {
    const name = `sd2-${answer}-${parameterization}`
    const path = join(data.path, 'models/Stable-diffusion', name)
    const bytes = new Uint8Array(new Float32Array(4).fill(answer).buffer)
    const weights = [...modelLayout(tiny)].map(([tensor, shape]) =>
      tensor === 'model.diffusion_model.out.2.bias'
        ? { ...entry(tensor, shape), location: { bytes } }
        : entry(tensor, shape),
    )
    writeSafetensors(`${path}.safetensors`, weights)
    if (parameterization) writeFileSync(`${path}.yaml`, `model: {params: {parameterization: ${parameterization}}}`)
    const override_settings = { ...small.override_settings, sd_model_checkpoint: name }
    const job = generate(studio, await recipeOf({ width: 16, height: 16, override_settings }))
    const { value } = await job.next()
    await job.return(undefined as never)
    return (value as StepProgress).denoised.data
  }

  // At the last timestep ε is about what is asked about, 0.5; v lies far below it.
  test.each([
    [0.5, 'eps', 'v'],
    [-3, 'v', 'eps'],
  ])('is asked: where it answers %d that is %s', async (answer, is, isNot) => {
    const tried = await firstEstimate(answer)
    expect(tried).toEqual(await firstEstimate(answer, is))
    expect(tried).not.toEqual(await firstEstimate(answer, isNot))
  })
})

test('another checkpoint takes the place of the one before, whose memory is freed', async () => {
  const [first] = await pictures({})
  const [other] = await pictures({ override_settings: { sd_model_checkpoint: 'tiny-sd2v', randn_source: 'CPU' } })
  expect(other).not.toEqual(first)
  expect(await pictures({})).toEqual([first])
})

describe('a checkpoint whose file is replaced', () => {
  const folder = () => join(data.path, 'models', 'Stable-diffusion')
  /** tiny-sd1 under another name, its last bias moved by `shift`. */
  function write(shift: number): void {
    const { entries, metadata } = openWeights(join(folder(), 'tiny-sd1.safetensors'))
    const name = 'model.diffusion_model.out.2.bias'
    const bias = entries.get(name)!
    const moved = readWeight(bias).data.map((value) => value + shift)
    const changed: WeightEntry = {
      ...bias,
      dtype: 'F32',
      sizeBytes: moved.byteLength,
      location: { bytes: new Uint8Array(moved.buffer) },
    }
    const path = join(folder(), 'swapped.safetensors')
    writeSafetensors(
      path,
      [...entries.values()].map((entry) => (entry.name === name ? changed : entry)),
      metadata,
    )
  }
  const body = { override_settings: { sd_model_checkpoint: 'swapped', randn_source: 'CPU' } }

  test('is used as it is now, with the hash that it has now, and what was asked of the old one fails', async () => {
    copyFileSync(join(folder(), 'tiny-sd1.yaml'), join(folder(), 'swapped.yaml'))
    write(0)
    // Often enough for its weights to have moved into memory, where no file is looked at any more.
    const before = []
    for (let i = 0; i < 4; i++) before.push(await run(await recipeOf(body)))
    expect(before[3]!.images[0]!.picture).toEqual((await pictures({}))[0])
    const old = await recipeOf(body)
    expect(old.checkpoint.hash).toBe(before[0]!.recipe.checkpoint.hash)

    write(0.5)
    await expect(run(old)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('hash changed') })
    const { images, recipe } = await run(await recipeOf(body))
    expect(recipe.checkpoint.hash).not.toBe(old.checkpoint.hash)
    expect(images[0]!.infotext).toContain(`Model hash: ${recipe.checkpoint.hash!.slice(0, 10)}`)
    expect(images[0]!.picture).not.toEqual(before[3]!.images[0]!.picture)
    const fresh = openStudio(data.path, { threads: 1 })
    expect(
      (await run(await recipeFromRequest({ ...small, ...body }, 'txt2img', fresh), {}, fresh)).images,
    ).toMatchObject([{ picture: images[0]!.picture }])
    await fresh.close()
  })

  test('or deleted is missed by the next picture', async () => {
    const recipe = await recipeOf(body)
    rmSync(join(folder(), 'swapped.safetensors'))
    await expect(run(recipe)).rejects.toMatchObject({ code: 'missing-file' })
    await expect(recipeOf(body)).rejects.toMatchObject({ code: 'unknown-name' })
  })
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

test('a linear guess may be all that is decoded, and pictures then are of a pixel for each point', async () => {
  const override_settings = { ...small.override_settings, sd_vae_decode_method: 'Approx cheap' }
  const { progress, images } = await run(await recipeOf({ override_settings }))
  const last = progress.findLast((each) => each.kind === 'step')
  expect(images[0]!.picture).toEqual(fromPixels(approximateColours(last!.denoised))[0])
  expect(images[0]!.infotext).toContain('VAE Decoder: Approx cheap')
})

test('a small encoder makes the latents of start pictures where that is asked for', async () => {
  // Every convolution passes its first channels on, halvings take every other pixel: a latent of pixels in 0…1.
  const passing = (name: string, out: number, inputs: number) =>
    entry(
      name,
      [out, inputs, 3, 3],
      [0, 1, 2].map((c) => c * inputs * 9 + c * 9 + 4),
    )
  writeSafetensors(join(data.path, 'models/VAE-taesd/taesd_encoder.safetensors'), [
    passing('0.weight', 3, 3),
    entry('0.bias', [3]),
    ...[2, 6, 10].map((layer) => passing(`${layer}.weight`, 3, 3)),
    passing('14.weight', 4, 3),
    entry('14.bias', [4]),
  ])
  const override_settings = {
    ...small.override_settings,
    sd_vae_encode_method: 'TAESD',
    sd_vae_decode_method: 'Approx cheap',
    img2img_fix_steps: true,
  }
  const init = toRgb(await decodePicture(readFileSync('test/golden/inputs/init128.png')))
  const body = {
    init_images: [base64('init128.png')],
    width: 128,
    height: 132,
    denoising_strength: 0,
    override_settings,
  }
  const { images } = await run(await recipeOf(body, 'img2img'))
  // Without a step of denoising the latent stays: the pixels at the corners of the squares, as colours are guessed.
  const sized = fitPicture(init, 'stretch', 128, 132)
  const corner = (c: number, x: number, y: number) => sized.data[(8 * y * 128 + 8 * x) * 3 + c]! / 255
  const latent = tensor(
    [0, 1, 2, 3].flatMap((c) =>
      Array.from({ length: 256 }, (_, i) => (c === 3 ? 0 : corner(c, i % 16, Math.floor(i / 16)))),
    ),
    [1, 4, 16, 16],
  )
  expect(largestDifference(images[0]!.picture, fromPixels(approximateColours(latent))[0]!)).toBeLessThanOrEqual(1)
  expect(images[0]!.infotext).toContain('VAE Encoder: TAESD, VAE Decoder: Approx cheap')
})

test('what is to stand in for the VAE must be there', async () => {
  const override_settings = { sd_vae_decode_method: 'Approx NN' }
  await expect(recipeOf({ override_settings })).rejects.toThrow(
    'override_settings.sd_vae_decode_method: models/VAE-approx holds no Approx NN decoder',
  )
})

describe('saving', () => {
  const saved = async (settings: Record<string, unknown>, body: object = {}) => {
    const folder = dataFolder()
    writeFileSync(join(folder.path, 'config.json'), JSON.stringify(settings))
    const own = openStudio(folder.path, { threads: 1 })
    const recipe = await recipeFromRequest({ ...small, ...body }, 'txt2img', own)
    const { images } = await run(recipe, {}, own)
    const paths: string[] = []
    for (const image of images) paths.push(await saveImage(own, recipe, image))
    const grid = await saveGrid(own, recipe, images)
    await own.close()
    return { folder, paths, grid, images }
  }

  test('goes below outputs, into a folder for the day, under a number and the seed', async () => {
    const { folder, paths, images } = await saved({ grid_save: false }, { batch_size: 2 })
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

  test('adds a grid of several pictures, which says how the last batch began', async () => {
    const body = { batch_size: 2, n_iter: 2, steps: 1, override_settings: { n_rows: 0, grid_format: 'webp' } }
    const { folder, grid, images } = await saved({ samples_format: 'jpg' }, body)
    expect(grid!.slice(folder.path.length)).toMatch(/^\/outputs\/txt2img-grids\/\d{4}-\d\d-\d\d\/grid-0000\.webp$/)
    const bytes = readFileSync(grid!)
    expect((await readInfotext(bytes)).infotext).toBe(images[2]!.infotext)
    expect(await decodePicture(bytes)).toMatchObject({ width: 128, height: 128 })
    folder.remove()
  })

  test('makes no grid of one picture, unless that is wanted', async () => {
    const one = await saved({}, { steps: 1 })
    expect(one.grid).toBeUndefined()
    one.folder.remove()
    const wanted = await saved(
      { grid_only_if_multiple: false, grid_extended_filename: true, grid_save_to_dirs: false },
      { steps: 1 },
    )
    expect(wanted.grid!.slice(wanted.folder.path.length)).toBe('/outputs/txt2img-grids/grid-0000-7.png')
    wanted.folder.remove()
  })

  test('puts a smaller JPEG beside what is too large to share', async () => {
    const { folder, paths, images } = await saved({ target_side_length: 40 }, { steps: 1 })
    const copy = readFileSync(paths[0]!.replace(/png$/, 'jpg'))
    expect(await decodePicture(copy)).toMatchObject({ width: 40, height: 40 })
    expect((await readInfotext(copy)).infotext).toBe(images[0]!.infotext)
    folder.remove()
  })

  test('keeps start pictures under the hash that infotexts tell', async () => {
    const body = { init_images: [base64('init128.png')], steps: 1 }
    const recipe = await recipeOf(
      { ...body, override_settings: { save_init_img: true, outdir_init_images: 'kept' } },
      'img2img',
    )
    await saveStartPictures(studio, recipe)
    const [name] = readdirSync(join(data.path, 'kept'))
    expect(await decodePicture(readFileSync(join(data.path, 'kept', name!)))).toEqual(recipe.init!.pictures[0])
    expect((await run(recipe)).images[0]!.infotext).toContain(`Init image hash: ${name!.replace('.png', '')},`)
    await saveStartPictures(studio, await recipeOf(body, 'img2img'))
    expect(existsSync(join(data.path, 'outputs'))).toBe(false)
  })

  test('puts the mask beside its picture where it is to be saved, and answers the picture’s path', async () => {
    const recipe = await recipeOf(
      {
        ...{ init_images: [base64('init128.png')], mask: base64('mask128.png'), inpaint_full_res: false, steps: 1 },
        override_settings: { save_mask: true, return_mask_composite: true },
      },
      'img2img',
    )
    const { images } = await run(recipe)
    const folder = join(data.path, 'masked')
    const path = await saveImage(studio, recipe, images[0]!, { folder, subfolder: '' })
    expect(path).toBe(join(folder, '00000-7.png'))
    expect(readdirSync(folder).sort()).toEqual(['00000-7.png', '00001-7-mask.png'])
    const bytes = readFileSync(join(folder, '00001-7-mask.png'))
    expect(await decodePicture(bytes)).toEqual(images[0]!.byProducts[0]!.picture)
    expect((await readInfotext(bytes)).infotext).toBe(images[0]!.infotext)
  })

  test('into a folder of one’s own leaves nothing else behind', async () => {
    const recipe = await recipeOf({})
    const { images } = await run(recipe)
    const folder = join(data.path, 'own')
    const path = await saveImage(studio, recipe, images[0]!, { folder, subfolder: '', format: 'webp' })
    expect(path).toBe(join(folder, '00000-7.webp'))
    expect(readdirSync(folder)).toEqual(['00000-7.webp'])
    expect(existsSync(join(data.path, 'outputs'))).toBe(false)
  })
})
