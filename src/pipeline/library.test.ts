import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Library } from './library.ts'

let root: string
let models: string
let library: Library
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'athanor-library-'))
  models = join(root, 'models', 'Stable-diffusion')
  mkdirSync(models, { recursive: true })
  const embedded = join(root, 'travelling.safetensors')
  writeFileSync(embedded, 'x')
  library = new Library(root, embedded)
})
afterEach(() => rmSync(root, { recursive: true }))

const listed = () => library.checkpoints().map(({ stem }) => stem)

test('the checkpoint that travels with the package stands in for missing ones', () => {
  expect(listed()).toEqual(['travelling'])
  expect(library.chosenCheckpoint('')?.stem).toBe('travelling')
  writeFileSync(join(models, 'own.safetensors'), 'x')
  expect(listed()).toEqual(['own'])
  expect(library.chosenCheckpoint('')?.stem).toBe('own')
})

test('beside others it has its name still, so that pictures made with it can be made again', () => {
  writeFileSync(join(models, 'own.safetensors'), 'x')
  expect(library.checkpoint('travelling', 'checkpoint').entry.path).toBe(join(root, 'travelling.safetensors'))
  expect(library.chosenCheckpoint('nothing')).toBeUndefined()
  expect(() => library.checkpoint('nothing', 'checkpoint')).toThrow('own')
})
