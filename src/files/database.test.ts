import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Database } from './database.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-db-'))
  path = join(folder, 'sub', 'a.sqlite')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const layout = ['CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL) STRICT']

function filled(rows = 1000): void {
  const database = new Database(path, layout)
  database.transaction(() => {
    for (let i = 0; i < rows; i++) database.run('INSERT INTO words (word) VALUES (?)', `word ${i} ${'x'.repeat(50)}`)
  })
  database.close()
}

test('a file keeps what was written, and takes further steps of its layout once', () => {
  filled(3)
  const steps = [...layout, 'ALTER TABLE words ADD COLUMN seen INTEGER NOT NULL DEFAULT 7']
  for (const _ of ['first', 'second']) {
    const database = new Database(path, steps)
    expect(database.all('SELECT word, seen FROM words WHERE id = ?', 2)).toEqual([
      { word: `word 1 ${'x'.repeat(50)}`, seen: 7 },
    ])
    database.close()
  }
  expect(() => new Database(path, layout)).toThrow(/newer version/)
})

test('every kind of value comes back as it was', () => {
  const database = new Database(path, ['CREATE TABLE things (thing ANY) STRICT'])
  const things = [
    null,
    0,
    -1.5,
    2 ** 52,
    'text',
    '猫',
    '',
    new Uint8Array([0, 1, 255]),
    new Uint8Array(100_000).fill(7),
  ]
  for (const thing of things) database.run('INSERT INTO things VALUES (?)', thing)
  expect(database.all('SELECT thing FROM things').map(({ thing }) => thing)).toEqual(things)
  database.close()
})

test('a transaction that fails leaves nothing behind', () => {
  const database = new Database(path, layout)
  expect(() =>
    database.transaction(() => {
      database.run('INSERT INTO words (word) VALUES (?)', 'a')
      throw new Error('no')
    }),
  ).toThrow('no')
  expect(database.all('SELECT * FROM words')).toEqual([])
  database.close()
})

test('a second program is told that the file is in use', () => {
  const database = new Database(path, layout)
  expect(() => new Database(path, layout)).toThrow(expect.objectContaining({ code: 'conflict' }))
  database.close()
})

test('damaged files are refused and left as they are', () => {
  filled()
  const whole = readFileSync(path)
  const damaged: readonly Uint8Array[] = [
    Buffer.from('this is no database, but it is long enough to look like one'.repeat(100)),
    whole.subarray(0, 3 * 4096),
    whole.map((byte, i) => (i >= 4096 && i < 9000 ? byte ^ 0x55 : byte)),
  ]
  for (const [i, bytes] of damaged.entries()) {
    const copy = join(folder, `copy-${i}.sqlite`)
    writeFileSync(copy, bytes)
    expect(() => new Database(copy, layout)).toThrow(expect.objectContaining({ code: 'bad-file' }))
    expect(readFileSync(copy).equals(bytes)).toBe(true)
  }
})

test('many flushes at once all resolve', async () => {
  const database = new Database(path, layout)
  const flushes = Array.from({ length: 20 }, (_, i) => {
    database.run('INSERT INTO words (word) VALUES (?)', String(i))
    return database.flushed()
  })
  await Promise.all(flushes)
  await database.flushed()
  expect(database.first('SELECT count(*) AS n FROM words')?.n).toBe(20)
  database.close()
})
