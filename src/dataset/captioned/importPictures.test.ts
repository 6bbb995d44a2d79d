import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodePng } from '../../image/encode.ts'
import { filled } from '../../image/picture.ts'
import { openPictureStore } from '../pictureStore.ts'
import { splitOf } from '../split.ts'
import { type CaptionedRow, importPictures } from './importPictures.ts'
import { readParquet } from './parquet.ts'

const golden = (name: string) => fileURLToPath(new URL(`./goldens/${name}.parquet`, import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'athanor-import-'))
afterAll(() => rmSync(root, { recursive: true }))

const png = (value: number, width = 4, height = 4) => encodePng(filled(3, width, height, [value, 0, 0]))
beforeAll(async () => {
  const folder = join(root, 'folder', 'deeper')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(root, 'folder', 'b.png'), await png(20))
  writeFileSync(join(root, 'folder', 'b.txt'), 'a red square\n\nanother of it\r\n')
  writeFileSync(join(folder, 'a.png'), await png(10, 8, 4))
  writeFileSync(join(folder, 'a.caption'), 'wide')
  writeFileSync(join(folder, 'silent.png'), await png(30))
  writeFileSync(join(folder, 'broken.png'), 'no picture')
  writeFileSync(join(folder, 'broken.txt'), 'nothing')
})

async function imported(...sources: readonly string[]) {
  const folder = join(root, 'store')
  const skipped: string[] = []
  const count = await importPictures({ sources, folder, size: 2, onSkip: (key, why) => skipped.push(`${key}: ${why}`) })
  const store = openPictureStore<CaptionedRow>(folder)
  const rows = store.rows.map(({ key, captions }, i) => [key, captions, store.read(i).data[0]])
  store.close()
  expect(rows.length).toBe(count)
  return { rows, skipped, store }
}

test('a folder of pictures with their captions beside them', async () => {
  const { rows, skipped, store } = await imported(join(root, 'folder'))
  expect(rows).toEqual([
    ['b.png', ['a red square', 'another of it'], 20],
    ['deeper/a.png', ['wide'], 10],
  ])
  expect(skipped).toEqual([expect.stringContaining('deeper/broken.png: '), 'deeper/silent.png: has no caption'])
  expect(store.rows.map((row) => splitOf(row))).toEqual(['held-out', 'training'])
})

test('metadata.jsonl names files of its folder, and no others', async () => {
  const lines = (...records: readonly object[]) => records.map((record) => JSON.stringify(record)).join('\n')
  const path = join(root, 'folder', 'metadata.jsonl')
  writeFileSync(path, lines({ file_name: 'b.png', text: 'one' }, { file_name: 'deeper/a.png', caption: ['x', 'y'] }))
  const { rows } = await imported(path)
  expect(rows).toEqual([
    ['b.png', ['one'], 20],
    ['deeper/a.png', ['x', 'y'], 10],
  ])
  writeFileSync(path, lines({ file_name: '../secret.png', text: 'one' }))
  await expect(imported(path)).rejects.toThrow('line 1: ../secret.png lies outside the folder')
  writeFileSync(path, '{"file_name": "b.png"}\n{')
  await expect(imported(path)).rejects.toThrow('line 2: not JSON')
  rmSync(path)
})

test('shards of img2dataset have captions in json or txt, or in the parquet file beside them', async () => {
  const folder = join(root, 'shard')
  mkdirSync(folder)
  for (const [i, key] of ['000000000', '000000001', '000000002'].entries()) {
    writeFileSync(join(folder, `${key}.png`), await png(40 + i))
  }
  writeFileSync(join(folder, '000000002.json'), JSON.stringify({ caption: 'from json', status: 'success' }))
  const shards = join(root, 'shards')
  mkdirSync(shards)
  const names = ['000000000.png', '000000001.png', '000000002.json', '000000002.png']
  execFileSync('tar', ['-cf', join(shards, '00000.tar'), '-C', folder, ...names])
  copyFileSync(golden('captions'), join(shards, '00000.parquet'))
  const { rows } = await imported(shards)
  expect(rows).toEqual([
    ['000000000', ['from the table'], 40],
    ['000000001', ['another'], 41],
    ['000000002', ['from json'], 42],
  ])
})

test('parquet files with pictures in them, whoever wrote them', async () => {
  const { rows, skipped } = await imported(golden('img2dataset'))
  expect(rows).toEqual([
    ['000000000', ['a red thing'], 0],
    ['000000002', ['a café'], 20],
    ['000000004', ['the last'], 40],
  ])
  expect(skipped).toEqual(['000000001: has no caption', '000000003: has no caption'])
  const hub = await imported(golden('hub'))
  expect(hub.rows).toEqual([
    ['0', ['one', 'another'], 0],
    ['1', ['two'], 10],
    ['3', ['three'], 30],
    ['4', ['four'], 40],
  ])
})

test('a list of addresses is told from pictures', async () => {
  await expect(imported(golden('laion'))).rejects.toThrow('holds no pictures, its columns are URL, TEXT, WIDTH')
})

test('a damaged parquet file is an error that names it', async () => {
  const bytes = readFileSync(golden('img2dataset'))
  const path = join(root, 'damaged.parquet')
  for (const at of [3, 900, 2000, bytes.length - 100, bytes.length - 6]) {
    const damaged = Uint8Array.from(bytes)
    damaged.fill(0xff, at, at + 40)
    writeFileSync(path, damaged)
    const read = async () => {
      for await (const _ of readParquet(path)) {
        // Read to its end.
      }
    }
    await read().catch((error) => expect(error).toMatchObject({ message: expect.stringContaining('damaged.parquet') }))
  }
  writeFileSync(path, bytes.subarray(0, 700))
  await expect(imported(path)).rejects.toThrow('damaged.parquet: cannot be read as parquet')
})

test('what is no data set is refused', async () => {
  await expect(imported(join(root, 'nowhere'))).rejects.toThrow('nowhere does not exist')
  await expect(imported(fileURLToPath(import.meta.url))).rejects.toThrow('is no data set that can be read')
  await expect(imported(join(root, 'shard'))).rejects.toThrow('0 pictures with captions, expected at least 2')
})
