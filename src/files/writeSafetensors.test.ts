import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { bytesPer, type DType } from '../tensor/dtype.ts'
import { sizeOf } from '../tensor/shape.ts'
import { readBytes } from './readWeight.ts'
import { parseSafetensors } from './safetensors.ts'
import type { WeightEntry } from './weights.ts'
import { writeSafetensors } from './writeSafetensors.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-write-'))
afterAll(() => rmSync(folder, { recursive: true }))

function entry(name: string, dtype: DType, shape: readonly number[], fill = 0): WeightEntry {
  const bytes = new Uint8Array(sizeOf(shape) * bytesPer(dtype)).fill(fill)
  return { name, dtype, shape, sizeBytes: bytes.length, location: { bytes } }
}

test.each(['lora/tinylora', 'lora/tinylocon', 'embeddings/negtiny'])(
  'writes %s again byte for byte as the reference library had',
  (name) => {
    const original = `test/golden/models/${name}.safetensors`
    const { entries, metadata } = parseSafetensors(original)
    const copy = join(folder, 'copy.safetensors')
    writeSafetensors(copy, entries.values(), metadata)
    expect(readFileSync(copy).equals(readFileSync(original))).toBe(true)
  },
)

test('what is written can be read back, in any names, types and shapes', () => {
  const dtypes = ['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'I64', 'I8', 'BOOL'] as const
  const tensors = fc.uniqueArray(
    fc.record({
      name: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', '1', '')),
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
      fill: fc.integer({ min: 0, max: 255 }),
    }),
    { selector: ({ name }) => name, maxLength: 12 },
  )
  const metadata = fc.uniqueArray(fc.tuple(fc.string(), fc.string({ unit: 'grapheme' })), {
    selector: ([key]) => key,
    maxLength: 4,
  })
  const path = join(folder, 'round.safetensors')
  fc.assert(
    fc.property(tensors, metadata, (specs, pairs) => {
      writeSafetensors(
        path,
        specs.map(({ name, dtype, shape, fill }) => entry(name, dtype, shape, fill)),
        new Map(pairs),
      )
      const file = parseSafetensors(path)
      expect([...file.metadata]).toEqual(pairs)
      expect(file.entries.size).toBe(specs.length)
      for (const { name, dtype, shape, fill } of specs) {
        const found = file.entries.get(name)!
        expect({ dtype: found.dtype, shape: found.shape }).toEqual({ dtype, shape })
        expect(readBytes(found).every((byte) => byte === fill)).toBe(true)
        if (!('offset' in found.location)) throw new Error('expected a slice of the file')
        expect(found.location.offset % bytesPer(dtype)).toBe(0)
      }
    }),
    { numRuns: 200 },
  )
})

test('the order in which tensors are given does not change the file', () => {
  const tensors = [entry('b', 'F16', [3], 1), entry('a', 'U8', [5], 2), entry('c', 'F32', [2], 3)]
  const [one, two] = ['one', 'two'].map((name) => join(folder, name)) as [string, string]
  writeSafetensors(one, tensors)
  writeSafetensors(two, [...tensors].reverse())
  expect(readFileSync(one).equals(readFileSync(two))).toBe(true)
})

test('tensors of one file can be written over that very file', () => {
  const path = join(folder, 'self.safetensors')
  copyFileSync('test/golden/models/embeddings/negtiny.safetensors', path)
  const before = readFileSync(path)
  writeSafetensors(path, parseSafetensors(path).entries.values())
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('a write that fails leaves the old file and nothing beside it', () => {
  const place = mkdtempSync(join(folder, 'fail-'))
  const path = join(place, 'model.safetensors')
  writeFileSync(path, 'old')
  const broken: WeightEntry = { ...entry('x', 'F32', [2]), location: { path: join(place, 'gone'), offset: 0 } }
  expect(() => writeSafetensors(path, [broken])).toThrow(/cannot be opened/)
  expect(readFileSync(path, 'utf8')).toBe('old')
  expect(readdirSync(place)).toEqual(['model.safetensors'])
})

test('a name that stands twice is never written', () => {
  const path = join(folder, 'twice.safetensors')
  expect(() => writeSafetensors(path, [entry('x', 'U8', [1]), entry('x', 'U8', [1])])).toThrow(
    /cannot be written twice/,
  )
})

test('a place that cannot be written to is named', () => {
  const file = join(folder, 'a-file')
  writeFileSync(file, '')
  const write = () => writeSafetensors(join(file, 'model.safetensors'), [])
  expect(write).toThrow(/a-file.model\.safetensors cannot be written: E(?:NOTDIR|EXIST)/)
  expect(write).toThrow(expect.objectContaining({ code: 'missing-file' }))
})
