import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Libsql from 'libsql'
import { afterAll, expect, test } from 'vitest'
import { Gallery } from './gallery.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-gallery-'))
const path = join(folder, 'gallery.sqlite')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const pictures = 100_000

/** Milliseconds of this process's computing, which other programs on the machine do not add to. */
function computing(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

test('a hundred thousand pictures are shown and searched without delay', { timeout: 600_000 }, () => {
  new Gallery(path, () => []).close()
  const sql = new Libsql(path)
  sql.exec(`
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${pictures})
    INSERT INTO images (path, created, bytes, width, height, infotext, prompt, negative, model, seed, favourite)
    SELECT '/out/' || i || '.png', i, 1000, 512, 512, 'Steps: 20', 'a drawing of scene ' || i || ' with '
      || CASE i % 4 WHEN 0 THEN 'an orange cat' WHEN 1 THEN 'a grey dog' WHEN 2 THEN 'a tall tree' ELSE 'two boats' END,
      'blurry', CASE i % 3 WHEN 0 THEN 'plain' ELSE 'fancy' END, i, i % 1000 = 0 FROM n`)
  sql.close()

  const gallery = new Gallery(path, () => [])
  const memory = process.memoryUsage.rss()
  let page = gallery.find()
  expect(computing(() => gallery.find())).toBeLessThan(200)
  expect(page.images.map(({ id }) => id).slice(0, 2)).toEqual(['100000', '99999'])
  for (let i = 0; i < 20; i++) page = gallery.find({ cursor: page.next! })
  expect(page.images[0]!.id).toBe(String(pictures - 20 * 50))

  const searches = [
    { text: 'orange cat' },
    { text: 'scene 77777' },
    { text: 'no such thing' },
    { text: 'cat', model: 'plain' },
    { isFavourite: true },
    { from: new Date(500), to: new Date(600) },
  ]
  for (const query of searches) expect([query, computing(() => gallery.find(query)) < 300]).toEqual([query, true])
  expect(gallery.find({ text: 'scene 77777' }).images.map(({ seed }) => seed)).toEqual([77_777])
  expect(gallery.find({ text: 'orange cat' }).images[0]!.seed).toBe(100_000)
  expect(gallery.find({ text: 'no such thing' }).images).toEqual([])
  expect(process.memoryUsage.rss() - memory).toBeLessThan(100 * 2 ** 20)
  gallery.close()
})
