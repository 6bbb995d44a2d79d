import { describe, expect, test } from 'vitest'
import type { Studio } from '../../pipeline/studio.ts'
import type { Body } from '../painter.ts'
import { type AxisValue, axesOf } from './axes.ts'

const studio = { library: { checkpoints: () => [], findCheckpoint: () => undefined } } as unknown as Studio

function set(label: string, value: AxisValue, body: Body = {}, values: readonly AxisValue[] = [value]): Body {
  const axis = axesOf('txt2img').find((each) => each.label === label)!
  return axis.set(value, { studio, body, values, field: 'script_args.1' })
}

test.each([
  ['Seed', 7, { seed: 7 }],
  ['Hires steps', 4, { hr_second_pass_steps: 4 }],
  ['Sigma max', 2.5, { s_tmax: 2.5 }],
  ['Size', '64x128', { width: 64, height: 128 }],
  ['Sampler', 'k_euler_a', { sampler_name: 'Euler a' }],
  ['Sampler', 'dpm++ 2m', { sampler_name: 'DPM++ 2M' }],
  ['Clip skip', 2, { override_settings: { CLIP_stop_at_last_layers: 2 } }],
  ['VAE', 'none', { override_settings: { sd_vae: 'None' } }],
  ['Always discard next-to-last sigma', 'True', { override_settings: { always_discard_next_to_last_sigma: true } }],
  ['Face restore', 'no', { restore_faces: false }],
  ['Styles', 'a,b', { styles: ['a', 'b'] }],
] as const)('%s %s', (label, value, fields) => {
  expect(set(label, value)).toEqual(fields)
})

test('options of the request stay beside those of an axis', () => {
  expect(set('RNG source', 'NV', { override_settings: { sd_vae: 'x' } })).toEqual({
    override_settings: { sd_vae: 'x', randn_source: 'NV' },
  })
})

test('UniPC goes no higher than one below its steps', () => {
  expect(set('UniPC Order', 5, { steps: 4 })).toEqual({ override_settings: { uni_pc_order: 3 } })
})

describe('prompts', () => {
  const body = { prompt: 'a cat and a $cat', negative_prompt: 'cat food' }

  test('the first value is replaced wherever it stands, whatever replaces it', () => {
    expect(set('Prompt S/R', '$&', body, ['cat', '$&'])).toEqual({
      prompt: 'a $& and a $$&',
      negative_prompt: '$& food',
    })
  })

  test('a first value that stands nowhere is refused', () => {
    expect(() => set('Prompt S/R', 'dog', body, ['bird', 'dog'])).toThrow(
      expect.objectContaining({ code: 'bad-request', field: 'script_args.1' }),
    )
  })

  test('words take each other’s places', () => {
    expect(set('Prompt order', ['dog', 'cat', 'cow'], { prompt: 'one cat, two dog (cow)!' })).toEqual({
      prompt: 'one dog, two cat (cow)!',
    })
  })
})

test.each([
  ['Size', '64'],
  ['Sampler', 'nope'],
  ['Checkpoint name', 'nope'],
])('%s %s is refused by name', (label, value) => {
  expect(() => set(label, value)).toThrow(expect.objectContaining({ field: 'script_args.1' }))
})

test('labels show values as the reference does', () => {
  const show = (label: string, value: AxisValue) =>
    axesOf('img2img')
      .find((each) => each.label === label)!
      .show(value)
  expect(show('CFG Scale', 7)).toBe('CFG Scale: 7.0')
  expect(show('Denoising', 0.1 + 0.2)).toBe('Denoising: 0.3')
  expect(show('Steps', 20)).toBe('Steps: 20')
  expect(show('Sampler', 'DDIM')).toBe('DDIM')
  expect(show('Checkpoint name', 'sd/v1.safetensors [abc]')).toBe('v1.safetensors [abc]')
  expect(show('Nothing', 0)).toBe('')
})
