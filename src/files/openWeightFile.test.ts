import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openWeightFile } from './openWeightFile.ts'
import { readWeight } from './readWeight.ts'
import type { WeightEntry } from './weights.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-open-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each([
  ['test/golden/models/embeddings/negtiny.safetensors', 'safetensors'],
  ['src/files/goldens/zip.pt', 'pickle'],
  ['src/files/goldens/legacy.pt', 'pickle'],
])('%s is known by what it holds under any extension', (source, format) => {
  for (const name of ['a.safetensors', 'a.ckpt', 'a.png', 'a']) {
    copyFileSync(source, join(folder, name))
    expect(openWeightFile(join(folder, name)).format).toBe(format)
  }
})

test.each([
  ['', /an empty file/],
  ['version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /a Git LFS pointer/],
  ['\n<!DOCTYPE html><html>', /a web page/],
  ['<?xml version="1.0"?><Error/>', /a web page/],
  ['GGUF\x03\0\0\0', /a GGUF file/],
  ['\x89PNG\r\n\x1a\n', /a picture/],
  ['\x89HDF\r\n\x1a\n', /an HDF5 file/],
  ['Rar!\x1a\x07', /a packed archive/],
  ['hello, world', /neither safetensors nor a PyTorch file/],
])('what stands in the place of weights when %j is found there is said', (content, message) => {
  const path = join(folder, 'model.safetensors')
  writeFileSync(path, content, 'latin1')
  expect(() => openWeightFile(path)).toThrow(message)
  expect(() => openWeightFile(path)).toThrow(expect.objectContaining({ code: 'bad-file', field: 'model.safetensors' }))
})

test('bytes in memory are read wherever they begin', () => {
  const bytes = new Uint8Array(9)
  bytes.set(new Uint8Array(Float64Array.of(-1.5).buffer), 1)
  const entry: WeightEntry = {
    name: 'x',
    dtype: 'F64',
    shape: [1],
    sizeBytes: 8,
    location: { bytes: bytes.subarray(1) },
  }
  expect([...readWeight(entry).data]).toEqual([-1.5])
})
