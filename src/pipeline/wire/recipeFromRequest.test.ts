import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodePng } from '../../image/encode.ts'
import { filled } from '../../image/picture.ts'
import { infotextOf } from '../infotext.ts'
import { openStudio, type Studio } from '../studio.ts'
import { floatLiterals } from './floatLiterals.ts'
import { recipeFromRequest } from './recipeFromRequest.ts'

// Recipes only name files; nothing here is a model.
let folder: string
let studio: Studio
let white: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-recipe-'))
  const put = (path: string, content: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  put('models/Stable-diffusion/first.safetensors', 'checkpoint 1')
  put('models/Stable-diffusion/second.ckpt', 'checkpoint 2')
  put('models/Stable-diffusion/second.vae.pt', 'a VAE beside its checkpoint')
  put('models/VAE/soft.safetensors', 'a VAE')
  put('models/ESRGAN/Sharp.pth', 'an upscaler')
  put('embeddings/Nice.pt', 'an embedding')
  put('styles.csv', 'name,prompt,negative_prompt\ncinema,"film still of {prompt}, 35mm",blurry\nnight,at night,\n')
  put('config.json', JSON.stringify({ sd_model_checkpoint: 'second.ckpt', CLIP_stop_at_last_layers: 2, unheard_of: 1 }))
  studio = openStudio(folder)
  white = Buffer.from(await encodePng(filled(3, 16, 8, [255, 255, 255]))).toString('base64')
})
afterAll(() => rmSync(folder, { recursive: true }))

const txt2img = (body: object, lenient = false) => recipeFromRequest(body, 'txt2img', studio, { lenient })
const img2img = (body: object) => recipeFromRequest(body, 'img2img', studio)

describe('a request becomes a recipe', () => {
  test('with the folder’s options, the request’s over them, and defaults for the rest', async () => {
    const recipe = await txt2img({ override_settings: { eta_noise_seed_delta: 31337 } })
    expect(recipe).toMatchObject({
      checkpoint: { name: 'second' },
      prompting: { clipSkip: 2, emphasis: 'Original' },
      noise: { etaSeedDelta: 31337 },
      pass: { steps: 50, sampler: 'Euler', scheduler: 'Automatic' },
      width: 512,
      height: 512,
    })
  })

  test('with seeds drawn, and counted up from picture to picture unless they vary', async () => {
    const { images } = await txt2img({ batch_size: 2, n_iter: 2 })
    const { seed } = images[0]!
    expect(seed).toBeGreaterThanOrEqual(0)
    expect(seed).toBeLessThan(4294967294)
    expect(images.map((image) => image.seed - seed)).toEqual([0, 1, 2, 3])
    const varied = await txt2img({ batch_size: 3, seed: 5, subseed: 9, subseed_strength: 0.1 })
    expect(varied.images.map((image) => [image.seed, image.subseed])).toEqual([
      [5, 9],
      [5, 10],
      [5, 11],
    ])
  })

  test('with styles merged in, comments left out, and their names kept', async () => {
    const recipe = await txt2img({ prompt: 'a cat # mine', negative_prompt: 'dog', styles: ['cinema', 'night'] })
    expect(recipe.images[0]).toMatchObject({ prompt: 'film still of a cat \n', negativePrompt: 'dog, blurry' })
    expect(recipe.styles).toEqual(['cinema', 'night'])
  })

  test('with old sampler names taken apart, and a sampler’s own scheduler called automatic', async () => {
    expect((await txt2img({ sampler_name: 'Euler a Karras' })).pass).toMatchObject({
      sampler: 'Euler a',
      scheduler: 'Karras',
    })
    expect((await txt2img({ sampler_index: 'DPM++ 2M Karras' })).pass).toMatchObject({
      sampler: 'DPM++ 2M',
      scheduler: 'Automatic',
    })
    expect((await txt2img({ scheduler: 'sgm_uniform' })).pass.scheduler).toBe('SGM Uniform')
  })

  test('with the VAE that lies beside the checkpoint, or the one that is asked for', async () => {
    const vaeOf = async (settings: object) => (await txt2img({ override_settings: settings })).vae?.name
    expect(await vaeOf({})).toBe('second.vae.pt')
    expect(await vaeOf({ sd_vae: 'None' })).toBeUndefined()
    expect(await vaeOf({ sd_vae: 'soft.safetensors' })).toBe('soft.safetensors')
    expect(await vaeOf({ sd_model_checkpoint: 'first' })).toBeUndefined()
  })

  test('with the embeddings whose names occur, whatever their case', async () => {
    const { embeddings } = await txt2img({ prompt: 'a nIcE cat' })
    expect([...embeddings.keys()]).toEqual(['Nice'])
    expect((await txt2img({ prompt: 'a cat' })).embeddings.size).toBe(0)
  })

  test('with options prevailing over churn settings where they differ from the sampler’s own', async () => {
    const { sampling } = await txt2img({ s_noise: 1.05, override_settings: { s_churn: 3 } })
    expect(sampling).toMatchObject({
      churn: { sNoise: 1.05, sTmax: Number.POSITIVE_INFINITY },
      churnOverrides: { sChurn: 3 },
    })
  })

  test('with GPU noise taken for CUDA’s, or a CPU’s where the studio stands for one', async () => {
    expect((await txt2img({})).noise).toMatchObject({ source: 'nv', label: 'GPU' })
    const onCpu = openStudio(folder, { gpuNoise: 'cpu' })
    expect((await recipeFromRequest({}, 'txt2img', onCpu)).noise).toMatchObject({ source: 'cpu', label: 'GPU' })
  })

  test('with the spelling of numbers that infotexts repeat', async () => {
    const text = '{"override_settings": {"rho": 3.0, "sigma_max": 10, "eta_ddim": 1.0}, "cfg_scale": 7.0}'
    const recipe = await recipeFromRequest(JSON.parse(text), 'txt2img', studio, { floats: floatLiterals(text) })
    expect([...recipe.writing.floats]).toEqual(['Eta DDIM', 'Schedule rho'])
    const framing = {
      checkpoint: recipe.checkpoint,
      vae: undefined,
      usesInpaintingConditioning: false,
      usesEtaSeedDelta: false,
      facts: new Map([['Schedule max sigma', 10] as const, ['Schedule rho', 3] as const]),
    }
    expect(infotextOf(recipe, 0, framing)).toContain('Schedule max sigma: 10, Schedule rho: 3.0')
  })

  test('with what an infotext says in the place of what it does not say itself', async () => {
    const infotext =
      'a dog\nNegative prompt: cat\nSteps: 7, Sampler: Heun, CFG scale: 3.5, Seed: 11, Size: 64x96, Clip skip: 4, Model: first'
    const recipe = await txt2img({ infotext, steps: 9, negative_prompt: null })
    expect(recipe.images[0]).toMatchObject({ prompt: 'a dog', negativePrompt: 'cat', seed: 11 })
    expect(recipe).toMatchObject({
      width: 64,
      height: 96,
      pass: { steps: 9, sampler: 'Heun' },
      guidance: { cfgScale: 3.5 },
    })
    expect(recipe).toMatchObject({ prompting: { clipSkip: 4 }, checkpoint: { name: 'second' } })
  })
})

describe('hires', () => {
  test('has the first pass’s sampler, steps and prompts unless it is given others', async () => {
    const { hires } = await txt2img({ enable_hr: true, prompt: 'a', sampler_name: 'Heun', steps: 8 })
    expect(hires).toMatchObject({
      target: { kind: 'scale', scale: 2 },
      upscaler: 'Latent',
      denoisingStrength: 0.75,
      pass: { steps: 8, sampler: 'Heun' },
      prompts: [{ prompt: 'a' }],
      model: undefined,
    })
    const other = await txt2img({
      enable_hr: true,
      hr_prompt: 'b',
      hr_sampler_name: 'DPM++ 2M',
      hr_second_pass_steps: 3,
      hr_checkpoint_name: 'first',
      hr_upscaler: 'Sharp',
    })
    expect(other.hires).toMatchObject({
      pass: { steps: 3, sampler: 'DPM++ 2M' },
      prompts: [{ prompt: 'b' }],
      model: { checkpoint: { name: 'first' } },
      upscaler: 'Sharp',
    })
  })

  test('of old clients names the size to arrive at', async () => {
    const recipe = await txt2img({
      enable_hr: true,
      width: 128,
      height: 192,
      firstphase_width: 64,
      firstphase_height: 96,
    })
    expect(recipe).toMatchObject({
      width: 64,
      height: 96,
      hires: { target: { kind: 'size', width: 128, height: 192 } },
    })
    const old = await txt2img({
      enable_hr: true,
      width: 1024,
      height: 1024,
      override_settings: { use_old_hires_fix_width_height: true },
    })
    expect(old).toMatchObject({ width: 512, height: 512, hires: { target: { width: 1024, height: 1024 } } })
  })
})

describe('img2img', () => {
  test('starts from the picture and keeps to the mask', async () => {
    const recipe = await img2img({
      init_images: [`data:image/png;base64,${white}`],
      mask: white,
      mask_blur: 2,
      inpainting_fill: 2,
    })
    expect(recipe.init).toMatchObject({
      resize: 'stretch',
      denoisingStrength: 0.75,
      pictures: [{ width: 16, height: 8 }],
      mask: { blurX: 2, blurY: 2, content: 'latent noise', onlyMasked: { padding: 0 }, round: true, soft: undefined },
    })
  })

  test('makes a batch of several pictures', async () => {
    expect((await img2img({ init_images: [white, white], batch_size: 5 })).batchSize).toBe(2)
    await expect(img2img({ init_images: [white, white] })).rejects.toMatchObject({ field: 'init_images' })
  })

  test('takes the settings of soft inpainting, under which masks stay soft', async () => {
    const args = [true, 1, 0.25]
    const recipe = await img2img({
      init_images: [white],
      mask: white,
      alwayson_scripts: { 'Soft Inpainting': { args } },
    })
    expect(recipe.init?.mask).toMatchObject({
      round: false,
      soft: { preservationStrength: 0.25, transitionContrastBoost: 4 },
    })
    const off = await img2img({
      init_images: [white],
      mask: white,
      alwayson_scripts: { 'soft inpainting': { args: [false] } },
    })
    expect(off.init?.mask).toMatchObject({ round: true, soft: undefined })
  })

  test.each([
    [{}, 'bad-request', 'init_images'],
    [{ init_images: ['notbase64!!'] }, 'bad-request', 'init_images.0'],
    [{ init_images: [Buffer.from('text').toString('base64')] }, 'bad-file', 'init_images.0'],
    [{ init_images: ['http://example.org/a.png'] }, 'unsupported', 'init_images.0'],
  ])('refuses %o', async (body, code, field) => {
    await expect(img2img(body)).rejects.toMatchObject({ code, field })
  })
})

describe('what cannot be done is refused by name', () => {
  test.each([
    [{ sampler_name: 'Nope' }, 'unknown-name', 'sampler_name'],
    [{ sampler_name: 'euler a' }, 'unknown-name', 'sampler_name'],
    [{ sampler_name: 'DPM++ 2M Nope' }, 'unknown-name', 'sampler_name'],
    [{ scheduler: 'Nope' }, 'unknown-name', 'scheduler'],
    [{ styles: ['nope'] }, 'unknown-name', 'styles'],
    [{ prompt: '<lora:nope:1>' }, 'unknown-name', 'prompt'],
    [{ prompt: '<hypernet:nope:1>' }, 'unsupported', 'prompt'],
    [{ enable_hr: true, hr_upscaler: 'Nope' }, 'unknown-name', 'hr_upscaler'],
    [{ enable_hr: true, hr_checkpoint_name: 'nope' }, 'unknown-name', 'hr_checkpoint_name'],
    [{ refiner_checkpoint: 'nope', refiner_switch_at: 0.5 }, 'unknown-name', 'refiner_checkpoint'],
    [{ override_settings: { sd_model_checkpoint: 'nope' } }, 'unknown-name', 'override_settings.sd_model_checkpoint'],
    [{ override_settings: { sd_vae: 'nope' } }, 'unknown-name', 'override_settings.sd_vae'],
    [{ override_settings: { nope: 1 } }, 'unknown-name', 'override_settings.nope'],
    [
      { override_settings: { sd_vae_decode_method: 'TAESD' } },
      'missing-file',
      'override_settings.sd_vae_decode_method',
    ],
    [{ override_settings: { hypertile_enable_unet: true } }, 'unsupported', 'override_settings.hypertile_enable_unet'],
    [{ script_name: 'x/y/z plot' }, 'unsupported', 'script_name'],
    [{ alwayson_scripts: { nope: { args: [] } } }, 'unknown-name', 'alwayson_scripts.nope'],
    [{ width: 16384, height: 16384 }, 'too-large', 'width'],
    [{ width: 2048, height: 2048, enable_hr: true, hr_scale: 8 }, 'too-large', 'hr_scale'],
    [{ width: 8192, height: 8192, batch_size: 8 }, 'too-large', 'batch_size'],
    [{ width: 64, height: 64, enable_hr: true, hr_scale: 0.1 }, 'bad-request', 'hr_scale'],
  ])('%o', async (body, code, field) => {
    await expect(txt2img(body)).rejects.toMatchObject({ code, field })
  })

  test('unless it is read leniently, which falls back as the reference does and says so', async () => {
    const recipe = await txt2img(
      {
        sampler_name: 'euler a',
        scheduler: 'Nope',
        styles: ['nope'],
        prompt: 'a<lora:nope:1>',
        override_settings: { sd_model_checkpoint: 'nope' },
      },
      true,
    )
    expect(recipe).toMatchObject({
      pass: { sampler: 'DPM++ 2M', scheduler: 'Automatic' },
      checkpoint: { name: 'second' },
    })
    expect(recipe.networks.size).toBe(0)
    expect(recipe.notes).toHaveLength(5)
    await expect(txt2img({ steps: 'x' }, true)).rejects.toMatchObject({ field: 'steps' })
  })
})

test('an empty data folder says what it is missing', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'athanor-empty-'))
  const bare = openStudio(empty, { embedded: join(empty, 'none.safetensors') })
  await expect(recipeFromRequest({}, 'txt2img', bare)).rejects.toMatchObject({ code: 'missing-file' })
  writeFileSync(join(empty, 'config.json'), '[')
  expect(() => openStudio(empty)).toThrow(expect.objectContaining({ code: 'bad-file', field: 'config.json' }))
  rmSync(empty, { recursive: true })
})
