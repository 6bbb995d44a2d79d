import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { filled } from './picture.ts'
import { nextNumber, saveNumbered, saveWhole, sharingCopy } from './save.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'athanor-save-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

test('numbers go on from the highest there is, each basename on its own', async () => {
  expect(await nextNumber(join(directory, 'missing'), '')).toBe(0)
  for (const name of ['00007-1.png', '3.png', 'grid-0021.png', 'x-99.png', '8abc.png', '00009.txt']) {
    await writeFile(join(directory, name), '')
  }
  expect(await nextNumber(directory, '')).toBe(10)
  expect(await nextNumber(directory, 'grid')).toBe(22)
})

test('a picture is saved under the next number with its decoration', async () => {
  const file = { directory: join(directory, '2024-07-09'), basename: '', decoration: '42', extension: 'png' }
  expect(basename(await saveNumbered(file, 'one'))).toBe('00000-42.png')
  expect(basename(await saveNumbered(file, 'two'))).toBe('00001-42.png')
  const grid = { ...file, basename: 'grid', decoration: '' }
  expect(basename(await saveNumbered(grid, 'three'))).toBe('grid-0000.png')
  expect((await readdir(file.directory)).sort()).toEqual(['00000-42.png', '00001-42.png', 'grid-0000.png'])
})

test('many saves at once lose nothing', async () => {
  const file = { directory, basename: '', decoration: 'x', extension: 'png' }
  const paths = await Promise.all(Array.from({ length: 20 }, (_, i) => saveNumbered(file, String(i))))
  expect(new Set(paths).size).toBe(20)
  const contents = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  expect(contents).toEqual(Array.from({ length: 20 }, (_, i) => String(i)))
})

test('a name is cut to what a file system takes, between characters', async () => {
  const path = await saveNumbered({ directory, basename: '', decoration: '猫'.repeat(128), extension: 'png' }, '')
  expect(Buffer.byteLength(basename(path))).toBeLessThanOrEqual(255)
  expect(basename(path)).toMatch(/^00000-猫{80,}\.png$/)
})

test('a whole file replaces an older one, and what fails leaves nothing behind', async () => {
  await saveWhole(join(directory, 'a.txt'), 'old')
  await saveWhole(join(directory, 'a.txt'), 'new')
  expect(await readFile(join(directory, 'a.txt'), 'utf8')).toBe('new')
  await expect(saveWhole(join(directory, 'a.txt', 'b.txt'), 'x')).rejects.toMatchObject({ name: 'StudioError' })
  expect(await readdir(directory)).toEqual(['a.txt'])
})

test('large pictures get a copy to share, small ones none', () => {
  const limits = { side: 40, bytes: 1000 }
  expect(sharingCopy(filled(3, 40, 20, [1, 2, 3]), 999, limits)).toBeUndefined()
  expect(sharingCopy(filled(3, 40, 20, [1, 2, 3]), 1001, limits)).toEqual(filled(3, 40, 20, [1, 2, 3]))
  expect(sharingCopy(filled(3, 30, 90, [1, 2, 3]), 10, limits)).toEqual(filled(3, 13, 40, [1, 2, 3]))
})
