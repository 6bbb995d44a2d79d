import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runOnce } from '../../test/models/runOnce.ts'
import { openWeights } from '../files/openWeights.ts'
import { sparseRows } from '../files/sparseRows.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { Graph } from '../graph/value.ts'
import { embedding } from './embed.ts'
import { Scope } from './scope.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-embed-'))
afterAll(() => rmSync(folder, { recursive: true }))

function rowsOf(data: Float32Array): WeightEntry {
  const bytes = new Uint8Array(data.buffer)
  return { name: 'table', dtype: 'F32', shape: [data.length / 2, 2], sizeBytes: bytes.length, location: { bytes } }
}

test.each([
  ['some rows are stored', Float32Array.of(1, 2, 3, 4, 5, 6), Int32Array.of(4, 0, 2), [1, 2, 0, 0, 0, 0, 3, 4, 5, 6]],
  ['no row is stored', new Float32Array(0), new Int32Array(0), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
])('a table of which %s is read as the whole one', async (_, stored, ids, expected) => {
  const path = join(folder, `${ids.length}.safetensors`)
  const { entries, metadata } = sparseRows(rowsOf(stored), ids, 6)
  writeSafetensors(path, entries, new Map([metadata]))
  const graph = new Graph()
  const scope = new Scope({ graph, weights: openWeights(path).entries })
  graph.output('rows', embedding(scope, 'table', graph.input('ids', [1, 5], 'int64'), [6, 2]))
  const rows = await runOnce(graph, { ids: { shape: [1, 5], data: BigInt64Array.of(4n, 1n, 5n, 0n, 2n) } })
  expect([...rows.data]).toEqual(expected)
  const size = [...graph.weights].reduce(
    (sum, { source }) => sum + (source.kind === 'weight' ? source.entry.sizeBytes : 0),
    0,
  )
  expect(size).toBe(ids.length === 0 ? 48 : 24)
})
