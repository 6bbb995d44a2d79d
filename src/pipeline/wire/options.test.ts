import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { optionDefaults, overrideOptions, parseOptions } from './options.ts'

const recorded = JSON.parse(readFileSync('test/golden/config.json', 'utf8')) as Record<string, unknown>

test('every option of a config.json of the reference is known, and has the default it has there', () => {
  // The recordings were made without writing files.
  const { sd_model_checkpoint, samples_save, grid_save, ...rest } = recorded
  expect(() => overrideOptions(optionDefaults, rest)).not.toThrow()
  expect(overrideOptions(optionDefaults, rest)).toEqual(optionDefaults)
  expect(parseOptions(recorded).sd_model_checkpoint).toBe(sd_model_checkpoint)
  expect([samples_save, grid_save]).toEqual([false, false])
})

test('a request’s settings come over those of the folder', () => {
  expect(overrideOptions(parseOptions({ rho: 3 }), { sigma_max: '10' })).toMatchObject({ rho: 3, sigma_max: 10 })
})

test('settings that nobody knows are refused by name, those of the file are left alone', () => {
  expect(() => overrideOptions(optionDefaults, { nope: 1 })).toThrow(
    expect.objectContaining({ code: 'unknown-name', field: 'override_settings.nope' }),
  )
  expect(parseOptions({ nope: 1 })).toEqual(optionDefaults)
})

test.each([
  [{ CLIP_stop_at_last_layers: 13 }, 'CLIP_stop_at_last_layers'],
  [{ emphasis: 'Loud' }, 'emphasis'],
  [{ rho: 'x' }, 'rho'],
  [{ uni_pc_order: 0 }, 'uni_pc_order'],
])('%o is refused and named', (settings, key) => {
  expect(() => overrideOptions(optionDefaults, settings)).toThrow(
    expect.objectContaining({ code: 'bad-request', field: `override_settings.${key}` }),
  )
})
