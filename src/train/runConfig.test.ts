import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { z } from 'zod'
import { clipRunSchema } from './clipConfig.ts'
import { readRunConfig } from './runConfig.ts'
import { unetRunSchema } from './unetConfig.ts'
import { vaeRunSchema } from './vaeConfig.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each<[string, z.ZodType]>([
  ['vae', vaeRunSchema],
  ['clip', clipRunSchema],
  ['evaluator', clipRunSchema],
  ['unet', unetRunSchema],
])('training/%s.toml is a configuration', (name, schema) => {
  const path = new URL(`../../training/${name}.toml`, import.meta.url).pathname
  expect(readRunConfig(path, schema)).toMatchObject({ data: 'datasets/emoji-128' })
})

test.each([
  ['broken.toml', 'seed = = 1', 'cannot be read as a configuration'],
  ['broken.json', '{', 'cannot be read as a configuration'],
  ['empty.toml', '', 'seed: Invalid input'],
  ['strange.toml', 'seed = 1\nshoes = 2', 'data: Invalid input'],
])('%s is refused by name', (name, text, problem) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  expect(() => readRunConfig(path, vaeRunSchema)).toThrow(problem)
})

test('a list that configurations share lies in a file of its own, and one that is not there is missed', () => {
  const path = (name: string) => new URL(`../../training/${name}.toml`, import.meta.url).pathname
  const [clip, evaluator] = ['clip', 'evaluator'].map((name) => readRunConfig(path(name), clipRunSchema).scenes)
  expect(clip!.favourites).toEqual(readRunConfig(path('unet'), unetRunSchema).scenes!.favourites)
  expect(clip!.favourites).toEqual(evaluator!.favourites)
  expect(clip!.favourites).toHaveLength(139)
  writeFileSync(join(folder, 'lone.toml'), '[scenes]\nfavourites = { file = "nowhere.toml" }')
  expect(() => readRunConfig(join(folder, 'lone.toml'), vaeRunSchema)).toThrow(/nowhere\.toml: cannot be read/)
})
