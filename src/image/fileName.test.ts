import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FileNameContext, fileName, fileNamePart } from './fileName.ts'
import { filled } from './picture.ts'

const context: FileNameContext = {
  prompt: 'a cat, on: a <mat>/ink',
  negativePrompt: 'dog',
  promptWords: 8,
  styles: ['Ink', 'Old: photo'],
  stylePrompts: ['{prompt}/ink'],
  seed: 42,
  seeds: [42, 43],
  steps: 20,
  cfgScale: '7.0',
  denoisingStrength: '0.75',
  sampler: 'DPM++ 2M',
  scheduler: 'Karras',
  clipSkip: 2,
  modelHash: '6ce0161689',
  modelName: 'v1-5',
  vaeName: 'None',
  user: 'me',
  batchSize: 2,
  batchCount: 3,
  batch: 1,
  indexInBatch: 1,
  jobTime: new Date(2024, 0, 2, 3, 4, 5),
  time: new Date(2024, 6, 9, 13, 4, 5, 60),
  basename: '',
  picture: filled(3, 64, 32, [1, 2, 3]),
}
const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')

test.each([
  ['[seed]', '42'],
  ['[seed]-[prompt_spaces]', '42-a cat, on_ a _mat__ink'],
  ['[prompt]', 'a_cat,_on__a__mat__ink'],
  ['[prompt_words]', 'a cat on a mat ink'],
  ['[prompt_no_styles]', 'a cat, on_ a _mat_'],
  ['[steps]x[cfg]@[width]x[height]', '20x7.0@64x32'],
  ['[sampler] [scheduler] [sampler_scheduler]', 'DPM++ 2M Karras DPM++ 2M Karras'],
  ['[model_name]_[model_hash]_[vae_filename]', 'v1-5_6ce0161689_None'],
  ['[styles]', 'Ink, Old_ photo'],
  ['[date]', '2024-07-09'],
  ['[datetime]', '20240709130405'],
  ['[datetime<%d %b %y, %I.%M %p>]', '09 Jul 24, 01.04 PM'],
  ['[job_timestamp]', '20240102030405'],
  ['[prompt_hash]', sha256(context.prompt).slice(0, 8)],
  ['[prompt_hash<12>]', sha256(context.prompt).slice(0, 12)],
  ['[negative_prompt_hash]', sha256('dog').slice(0, 8)],
  ['[full_prompt_hash<4>]', sha256(`${context.prompt} dog`).slice(0, 4)],
  ['[image_hash]', sha256(context.picture.data)],
  ['[image_hash<6>]', sha256(context.picture.data).slice(0, 6)],
  ['[seed_first]-[seed_last]', '42-43'],
  ['[batch_number] of [batch_size], [generation_number]', '2 of 2, 4'],
  ['[clip_skip] [denoising] [user]', '2 0.75 me'],
  ['[hasprompt<Cat|none><dog|cats only>]', 'catcats_only'],
  ['[basename]', 'img'],
  ['[none]', ''],
  ['[SEED]', '42'],
  ['[nope<x>] [[seed]]', '[nope] [42]'],
  ['[toString]', '[toString]'],
  ['plain text', 'plain text'],
])('%s becomes %s', (pattern, expected) => {
  expect(fileName(pattern, context)).toBe(expected)
})

test('patterns with nothing to say take the text before them along', () => {
  const single = { ...context, batchSize: 1, batchCount: 1, denoisingStrength: undefined, seeds: [42], indexInBatch: 0 }
  expect(fileName('[seed]-n[batch_number]-g[generation_number]-d[denoising] end', single)).toBe('42 end')
  expect(fileName('[seed_first]-[seed_last]', single)).toBe('42')
  expect(fileName('[generation_number]', { ...single, batchCount: 3 })).toBe('2')
})

test('an automatic schedule is not named, and a prompt of signs has no words', () => {
  expect(fileName('[sampler_scheduler]', { ...context, scheduler: 'Automatic' })).toBe('DPM++ 2M')
  expect(fileName('[prompt_words]', { ...context, prompt: '?!' })).toBe('empty')
  expect(fileName('[styles]', { ...context, styles: [] })).toBe('None')
})

test('a time zone moves the clock, an unknown one does not', () => {
  const at = new Date(Date.UTC(2024, 11, 31, 20, 30))
  expect(fileName('[datetime<%Y-%m-%d %H.%M %a><Asia/Tokyo>]', { ...context, time: at })).toBe('2025-01-01 05.30 Wed')
  const local = fileName('[datetime<%H>]', { ...context, time: at })
  expect(fileName('[datetime<%H><Nowhere/Land>]', { ...context, time: at })).toBe(local)
})

test('no prompt leaves its directory or uses a forbidden sign', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (prompt) => {
      const name = fileName('[prompt]', { ...context, prompt })
      expect(name).not.toMatch(/[#<>:"/\\|?*\n\r\t ]/)
      expect(name).not.toMatch(/[ .]$/)
      expect([...name].length).toBeLessThanOrEqual(128)
    }),
  )
  expect(fileNamePart('../../etc/passwd', { spaces: true })).toBe('.._.._etc_passwd')
})
