import { createHash } from 'node:crypto'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { FileHashes, oldModelHash, sha256 } from './hash.ts'
import { openWeights } from './openWeights.ts'
import { writeSafetensors } from './writeSafetensors.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-hash-'))
afterAll(() => rmSync(folder, { recursive: true }))

const models = 'test/golden/models'
const hashes = () => new FileHashes(join(mkdtempSync(join(folder, 'cache-')), 'hashes.json'))

// The right-hand sides stand in the infotexts that the reference wrote with these files (test/golden/index.json).
describe('the reference names the same files by the same hashes:', () => {
  test.each([
    ['tiny-sd1', 'd3d69a5716'],
    ['tiny-sd2v', '75867636f9'],
  ])('checkpoint %s', async (name, short) => {
    expect((await hashes().file(`${models}/${name}.safetensors`)).slice(0, 10)).toBe(short)
  })

  test.each([
    ['tinylora', '26e2bbb226ab'],
    ['tinylocon', 'ebcf599d77c5'],
  ])('LoRA %s', async (name, short) => {
    expect((await hashes().network(openWeights(`${models}/lora/${name}.safetensors`))).slice(0, 12)).toBe(short)
  })

  test.each([
    ['tinyemb.pt', '758f39f724f6'],
    ['negtiny.safetensors', 'ee2dbaacaa63'],
  ])('embedding %s', async (name, short) => {
    expect((await hashes().file(`${models}/embeddings/${name}`)).slice(0, 12)).toBe(short)
  })
})

test('SHA-256 is that of the published vectors', async () => {
  const path = join(folder, 'abc')
  writeFileSync(path, 'abc')
  expect(await sha256(path)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(await sha256(path, 3)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})

test('the old model hash is of 64 KiB after the first megabyte, and of less in a shorter file', async () => {
  const path = join(folder, 'old')
  const bytes = Buffer.alloc(0x120000, 'abcdefg')
  writeFileSync(path, bytes)
  writeFileSync(join(folder, 'window'), bytes.subarray(0x100000, 0x110000))
  expect(oldModelHash(path)).toBe((await sha256(join(folder, 'window'))).slice(0, 8))
  writeFileSync(path, 'short')
  expect(oldModelHash(path)).toBe('e3b0c442')
})

describe("a LoRA's hash", () => {
  test('does not change with its metadata', async () => {
    const { entries, metadata } = openWeights(`${models}/lora/tinylora.safetensors`)
    const copy = join(folder, 'edited.safetensors')
    writeSafetensors(copy, entries.values(), new Map([...metadata, ['note', 'written by hand']]))
    expect(await hashes().network(openWeights(copy))).toMatch(/^26e2bbb226ab/)
  })

  test('is the one its trainer wrote, if it looks like one', async () => {
    const { entries } = openWeights(`${models}/lora/tinylora.safetensors`)
    const path = join(folder, 'stated.safetensors')
    const stated = 'abcdef0123456789'
    writeSafetensors(path, entries.values(), new Map([['sshs_model_hash', stated]]))
    expect(await hashes().network(openWeights(path))).toBe(stated)
    writeSafetensors(path, entries.values(), new Map([['sshs_model_hash', 'x, Steps: 1']]))
    expect(await hashes().network(openWeights(path))).toMatch(/^26e2bbb226ab/)
  })

  test('of a pickle is that of the whole file', async () => {
    const path = 'src/files/goldens/zip.pt'
    expect(await hashes().network(openWeights(path))).toBe(await sha256(path))
  })
})

describe('remembered hashes', () => {
  const setup = () => {
    const place = mkdtempSync(join(folder, 'place-'))
    const [path, cache] = [join(place, 'model'), join(place, 'hashes.json')]
    writeFileSync(path, 'abc')
    utimesSync(path, 1000, 1000)
    return { path, cache }
  }

  /** Content that only a fresh look can tell from `abc`: size and time of change stay. */
  const changeUnseen = (path: string) => {
    writeFileSync(path, 'xyz')
    utimesSync(path, 1000, 1000)
  }

  test('are taken from the cache by later runs while size and time stay', async () => {
    const { path, cache } = setup()
    const first = await new FileHashes(cache).file(path)
    changeUnseen(path)
    expect(await new FileHashes(cache).file(path)).toBe(first)
  })

  test('are computed again when size or time change', async () => {
    const { path, cache } = setup()
    const first = await new FileHashes(cache).file(path)
    changeUnseen(path)
    utimesSync(path, 1000, 1001)
    const second = await new FileHashes(cache).file(path)
    expect(second).not.toBe(first)
    appendFileSync(path, 'w')
    utimesSync(path, 1000, 1001)
    expect(await new FileHashes(cache).file(path)).toBe(await sha256(path))
  })

  test.each(['', '{', 'null', '[]', '"text"', '{"sha256:/x":{"size":"3"}}'])(
    'survive a cache that holds %j',
    async (broken) => {
      const { path, cache } = setup()
      writeFileSync(cache, broken)
      const expected = await sha256(path)
      expect(await new FileHashes(cache).file(path)).toBe(expected)
      changeUnseen(path)
      expect(await new FileHashes(cache).file(path)).toBe(expected)
    },
  )

  test('that no hash could be are not believed', async () => {
    const { path, cache } = setup()
    await new FileHashes(cache).file(path)
    writeFileSync(cache, readFileSync(cache, 'utf8').replace(/"hash": "[^"]+"/, '"hash": "oops, Steps: 1"'))
    expect(await new FileHashes(cache).file(path)).toBe(await sha256(path))
  })

  test('are not needed: where nothing can be written they are computed', async () => {
    const { path } = setup()
    expect(await new FileHashes(join(path, 'below', 'a-file.json')).file(path)).toBe(await sha256(path))
  })

  test('of files and of their contents are kept apart', async () => {
    const { cache } = setup()
    const file = openWeights(`${models}/lora/tinylora.safetensors`)
    const both = new FileHashes(cache)
    expect(await both.network(file)).not.toBe(await both.file(file.path))
    expect(await both.network(file)).toMatch(/^26e2bbb226ab/)
  })

  test('of several files asked for at once are all there afterwards', async () => {
    const { cache } = setup()
    const both = new FileHashes(cache)
    const paths = Array.from({ length: 8 }, (_, i) => join(folder, `many-${i}`))
    for (const path of paths) copyFileSync('package.json', path)
    await Promise.all([...paths, ...paths].map((path) => both.file(path)))
    expect(Object.keys(JSON.parse(readFileSync(cache, 'utf8')))).toHaveLength(8)
  })
})

test('a diffusers folder has a hash that changes with any of its files', async () => {
  const path = mkdtempSync(join(folder, 'pipeline-'))
  mkdirSync(join(path, 'unet'))
  writeFileSync(join(path, 'model_index.json'), '{}')
  writeFileSync(join(path, 'unet', 'config.json'), '{"a": 1}')
  const folders = hashes()
  const first = await folders.file(path)
  const listed = [['model_index.json', '{}'] as const, ['unet/config.json', '{"a": 1}'] as const]
  const lines = listed.map(([name, text]) => `${createHash('sha256').update(text).digest('hex')}  ${name}\n`)
  expect(first).toBe(createHash('sha256').update(lines.join('')).digest('hex'))
  expect(folders.known(path)).toBe(first)
  writeFileSync(join(path, 'unet', 'config.json'), '{"a": 22}')
  expect(folders.known(path)).toBeUndefined()
  expect(await folders.file(path)).not.toBe(first)
})

test('a file that is not there is called missing', async () => {
  await expect(async () => hashes().file(join(folder, 'nothing'))).rejects.toMatchObject({ code: 'missing-file' })
})
