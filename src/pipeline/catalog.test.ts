import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Catalog } from './catalog.ts'

let root: string
let models: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'athanor-catalog-'))
  models = join(root, 'models')
  mkdirSync(join(models, 'anime'), { recursive: true })
  writeFileSync(join(models, 'one.safetensors'), 'x')
  writeFileSync(join(models, 'anime', 'two.safetensors'), 'x')
  age()
})
afterEach(() => rmSync(root, { recursive: true }))

/** As if the folders had been left alone for an hour, which is what makes a listing be kept. */
function age(): void {
  const then = new Date(Date.now() - 3_600_000)
  for (const folder of [models, join(models, 'anime')]) utimesSync(folder, then, then)
}

const catalog = new Catalog()
const names = () => catalog.checkpoints(models).map(({ relativePath }) => relativePath)

test('a listing is kept while its folders stay as they are', () => {
  expect(names()).toEqual(['anime/two.safetensors', 'one.safetensors'])
  const first = catalog.checkpoints(models)
  expect(catalog.checkpoints(models)).toBe(first)
})

test.each<readonly [string, () => void, readonly string[]]>([
  [
    'came',
    () => writeFileSync(join(models, 'three.ckpt'), 'x'),
    ['anime/two.safetensors', 'one.safetensors', 'three.ckpt'],
  ],
  [
    'came into a folder within',
    () => writeFileSync(join(models, 'anime', 'a.ckpt'), 'x'),
    ['anime/a.ckpt', 'anime/two.safetensors', 'one.safetensors'],
  ],
  ['went', () => rmSync(join(models, 'one.safetensors')), ['anime/two.safetensors']],
  [
    'was renamed',
    () => renameSync(join(models, 'one.safetensors'), join(models, 'uno.safetensors')),
    ['anime/two.safetensors', 'uno.safetensors'],
  ],
  [
    'came with its folder',
    () => {
      mkdirSync(join(models, 'new'))
      writeFileSync(join(models, 'new', 'b.ckpt'), 'x')
    },
    ['anime/two.safetensors', 'new/b.ckpt', 'one.safetensors'],
  ],
  ['went with all folders', () => rmSync(models, { recursive: true }), []],
])('a file that %s is noticed at once', (_, change, expected) => {
  names()
  names()
  change()
  expect(names()).toEqual(expected)
})

test('a file that is filled, and what a link leads to, are noticed though no folder tells', () => {
  const elsewhere = join(root, 'elsewhere.safetensors')
  writeFileSync(elsewhere, 'x')
  symlinkSync(elsewhere, join(models, 'link.safetensors'))
  writeFileSync(join(models, 'empty.safetensors'), '')
  age()
  expect(names()).toEqual(['anime/two.safetensors', 'link.safetensors', 'one.safetensors'])
  writeFileSync(join(models, 'empty.safetensors'), 'x')
  expect(names()).toContain('empty.safetensors')
  rmSync(elsewhere)
  expect(names()).not.toContain('link.safetensors')
})

test('a folder that was missing is noticed when it is made', () => {
  const missing = new Catalog()
  expect(missing.files(join(root, 'Lora'), ['.safetensors'])).toEqual([])
  mkdirSync(join(root, 'Lora'))
  writeFileSync(join(root, 'Lora', 'l.safetensors'), 'x')
  expect(missing.files(join(root, 'Lora'), ['.safetensors'])).toHaveLength(1)
})
