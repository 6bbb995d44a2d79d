import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OptionsFile } from './optionsFile.ts'
import { optionDefaults } from './wire/options.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-options-'))
  path = join(folder, 'config.json')
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a missing file has every default, and is made when something is set', () => {
  const file = new OptionsFile(path)
  expect(file.options).toEqual(optionDefaults)
  file.set({ CLIP_stop_at_last_layers: 2 })
  expect(new OptionsFile(path).options.CLIP_stop_at_last_layers).toBe(2)
})

test('what others have put there stays, floats in their spelling', () => {
  writeFileSync(path, '{ "rho": 7.0, "jpeg_quality": 90, "of_an_extension": { "deep": [1.0] } }')
  const file = new OptionsFile(path)
  file.set({ eta_ancestral: 1, eta_ddim: 0 }, new Set(['eta_ddim']))
  const text = readFileSync(path, 'utf8')
  expect(text).toContain('"rho": 7.0,')
  expect(text).toContain('"eta_ddim": 0.0')
  expect(text).toMatch(/"eta_ancestral": 1,/)
  expect(JSON.parse(text)).toMatchObject({ jpeg_quality: 90, of_an_extension: { deep: [1] } })
  expect([...new OptionsFile(path).floats].sort()).toEqual(['eta_ddim', 'rho'])
})

test('a change by another program is taken over', () => {
  const file = new OptionsFile(path)
  writeFileSync(path, '{ "jpeg_quality": 50 }')
  file.refresh()
  expect(file.options.jpeg_quality).toBe(50)
})

test('what cannot be is refused, and the file stays as it was', () => {
  writeFileSync(path, '{ "jpeg_quality": 90 }')
  const file = new OptionsFile(path)
  expect(() => file.set({ jpeg_quality: 'high' })).toThrow(expect.objectContaining({ code: 'bad-request' }))
  expect(readFileSync(path, 'utf8')).toBe('{ "jpeg_quality": 90 }')
})

test.each(['[1]', 'nonsense'])('a file of %s is an error that names it', (text) => {
  writeFileSync(path, text)
  expect(() => new OptionsFile(path)).toThrow(expect.objectContaining({ code: 'bad-file', field: 'config.json' }))
})
