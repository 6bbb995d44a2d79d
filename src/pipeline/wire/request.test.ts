import { describe, expect, test } from 'vitest'
import { parseImg2Img, parseTxt2Img } from './request.ts'

describe('a txt2img body', () => {
  test('has A1111’s defaults, which are not those of its form', () => {
    expect(parseTxt2Img({})).toMatchObject({
      prompt: '',
      negative_prompt: '',
      seed: -1,
      subseed: -1,
      subseed_strength: 0,
      sampler_index: 'Euler',
      steps: 50,
      cfg_scale: 7,
      width: 512,
      height: 512,
      batch_size: 1,
      n_iter: 1,
      denoising_strength: 0.75,
      enable_hr: false,
      hr_scale: 2,
      hr_upscaler: 'Latent',
    })
  })

  test('takes null for a default and 0 for 0', () => {
    expect(parseTxt2Img({ steps: null, prompt: null })).toMatchObject({ steps: 50, prompt: '' })
    expect(parseTxt2Img({ cfg_scale: 0, eta: 0 })).toMatchObject({ cfg_scale: 0, eta: 0 })
  })

  test.each([
    [{ steps: '7' }, { steps: 7 }],
    [{ steps: 7.9 }, { steps: 7 }],
    [{ width: '64' }, { width: 64 }],
    [{ cfg_scale: '7.5' }, { cfg_scale: 7.5 }],
    [{ tiling: 1 }, { tiling: true }],
    [{ tiling: 'off' }, { tiling: false }],
    [{ prompt: 5 }, { prompt: '5' }],
    [{ seed: -5 }, { seed: -5 }],
  ])('reads %o as its clients mean it', (body, expected) => {
    expect(parseTxt2Img(body)).toMatchObject(expected)
  })

  test.each([
    [{ steps: 'abc' }, 'steps'],
    [{ steps: 0 }, 'steps'],
    [{ steps: -1 }, 'steps'],
    [{ steps: '7.5' }, 'steps'],
    [{ width: 0 }, 'width'],
    [{ width: -8 }, 'width'],
    [{ height: 1e9 }, 'height'],
    [{ cfg_scale: 'x' }, 'cfg_scale'],
    [{ cfg_scale: Number.NaN }, 'cfg_scale'],
    [{ seed: 'abc' }, 'seed'],
    [{ seed: 2 ** 60 }, 'seed'],
    [{ batch_size: 0 }, 'batch_size'],
    [{ n_iter: 0 }, 'n_iter'],
    [{ denoising_strength: 1.5 }, 'denoising_strength'],
    [{ tiling: 'maybe' }, 'tiling'],
    [{ styles: 'one' }, 'styles'],
    [{ styles: [1, {}] }, 'styles.1'],
    [{ override_settings: 5 }, 'override_settings'],
    [{ alwayson_scripts: { x: 1 } }, 'alwayson_scripts.x'],
  ])('refuses %o and names %s', (body, field) => {
    expect(() => parseTxt2Img(body)).toThrow(expect.objectContaining({ code: 'bad-request', field }))
  })

  test.each([null, 'text', 5, []])('is an object and not %o', (body) => {
    expect(() => parseTxt2Img(body)).toThrow(expect.objectContaining({ code: 'bad-request' }))
  })

  test('may hold fields that nobody knows', () => {
    expect(parseTxt2Img({ foo: 1 })).not.toHaveProperty('foo')
  })
})

test('an img2img body has A1111’s defaults, which are not those of its form', () => {
  expect(parseImg2Img({})).toMatchObject({
    init_images: [],
    resize_mode: 0,
    denoising_strength: 0.75,
    mask_blur_x: 4,
    mask_blur_y: 4,
    mask_round: true,
    inpainting_fill: 0,
    inpaint_full_res: true,
    inpaint_full_res_padding: 0,
    inpainting_mask_invert: 0,
  })
})
