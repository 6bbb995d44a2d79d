import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openWeights } from './openWeights.ts'
import { readBytes, readWeight } from './readWeight.ts'
import { sparseRows } from './sparseRows.ts'
import type { WeightEntry } from './weights.ts'
import { writeSafetensors } from './writeSafetensors.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-sparse-'))
afterAll(() => rmSync(folder, { recursive: true }))

function entry(name: string, shape: readonly number[], data: Float32Array | Int32Array): WeightEntry {
  const bytes = new Uint8Array(data.buffer)
  const dtype = data instanceof Int32Array ? 'I32' : 'F32'
  return { name, dtype, shape, sizeBytes: bytes.length, location: { bytes } }
}
const table = entry('a.table', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6))
const other = entry('b', [1], Float32Array.of(7))

test('a table of which some rows are stored reads as a whole one', () => {
  const path = join(folder, 'good.safetensors')
  const { entries, metadata } = sparseRows(table, Int32Array.of(4, 0, 2), 6)
  writeSafetensors(path, [...entries, other], new Map([metadata]))
  const file = openWeights(path)
  expect([...file.entries.keys()].sort()).toEqual(['a.table', 'b'])
  const whole = file.entries.get('a.table')!
  expect(whole).toMatchObject({ shape: [6, 2], dtype: 'F32', sizeBytes: 48 })
  expect([...readWeight(whole).data]).toEqual([3, 4, 0, 0, 5, 6, 0, 0, 1, 2, 0, 0])
  expect(readBytes(whole)).toBe(readBytes(whole))
})

test.each([
  ['no ids', [{ ...table, name: 'a.table.rows' }], '{"a.table":6}', 'a.table: expected a.table.rows [n, width]'],
  [
    'ids of another number',
    [{ ...table, name: 'a.table.rows' }, entry('a.table.ids', [2], Int32Array.of(0, 1))],
    '{"a.table":6}',
    'a.table: expected a.table.rows [n, width]',
  ],
  ['rows that are no number', sparseRows(table, Int32Array.of(0, 1, 2), 6).entries, '{"a.table":"6"}', '6 rows'],
  [
    'a table too large to be one',
    sparseRows(table, Int32Array.of(0, 1, 2), 6).entries,
    '{"a.table":1e12}',
    'too large',
  ],
  ['no JSON', sparseRows(table, Int32Array.of(0, 1, 2), 6).entries, '{', 'sparse_rows is not JSON'],
])('a file with %s is refused', (name, entries, said, problem) => {
  const path = join(folder, `${name}.safetensors`)
  writeSafetensors(path, entries, new Map([['sparse_rows', said]]))
  expect(() => openWeights(path)).toThrow(problem)
})

test('a row beyond the table is refused when the table is read', () => {
  const path = join(folder, 'beyond.safetensors')
  const { entries, metadata } = sparseRows(table, Int32Array.of(0, 1, 6), 6)
  writeSafetensors(path, entries, new Map([metadata]))
  expect(() => readBytes(openWeights(path).entries.get('a.table')!)).toThrow('numbered 6 in a table of 6 rows')
})
