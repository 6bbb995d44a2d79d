import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listCheckpoints } from './catalog.ts'
import { checkpointTitle, findCheckpoint, shortTitle } from './findCheckpoint.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-checkpoints-'))
  for (const path of [
    'anime/Model10.safetensors',
    'anime/model9.safetensors',
    'plain.ckpt',
    'plain.vae.ckpt',
    'notes.txt',
    'flux/model_index.json',
    'flux/unet/weights.safetensors',
  ]) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), 'x')
  }
  writeFileSync(join(folder, 'empty.safetensors'), '')
  symlinkSync(folder, join(folder, 'loop'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const files = () =>
  listCheckpoints(folder).map((entry) => ({
    ...entry,
    sha256: entry.stem === 'plain' ? `d3d69a5716${'0'.repeat(54)}` : undefined,
  }))

test('checkpoints are files that are no VAE and not empty, and diffusers folders, in the order people count in, each once', () => {
  expect(files().map(({ relativePath }) => relativePath)).toEqual([
    'anime/model9.safetensors',
    'anime/Model10.safetensors',
    'flux',
    'plain.ckpt',
  ])
})

test('titles carry ten digits of the hash where it is known', () => {
  const [nine, , , plain] = files()
  expect(checkpointTitle(plain!)).toBe('plain.ckpt [d3d69a5716]')
  expect(shortTitle(plain!)).toBe('plain [d3d69a5716]')
  expect([checkpointTitle(nine!), shortTitle(nine!)]).toEqual(['anime/model9.safetensors', 'model9'])
})

test.each([
  ['plain.ckpt [d3d69a5716]', 'plain'],
  ['plain.ckpt', 'plain'],
  ['plain', 'plain'],
  ['d3d69a5716', 'plain'],
  [`d3d69a5716${'0'.repeat(54)}`, 'plain'],
  ['plain [d3d69a5716]', 'plain'],
  ['plain [0123456789]', 'plain'],
  ['anime/Model10.safetensors', 'Model10'],
  ['anime_Model10', 'Model10'],
  ['Model10', 'Model10'],
  ['anime', 'model9'],
  ['Model10.safetensors [0000000000]', 'Model10'],
  ['nope', undefined],
  ['', undefined],
])('%s is understood', (query, stem) => {
  expect(findCheckpoint(files(), query)?.stem).toBe(stem)
})
