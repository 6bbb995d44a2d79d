import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { StudioError } from '../errors.ts'
import { openWeights } from './openWeights.ts'
import { readBytes, readWeight } from './readWeight.ts'
import { parseSafetensors } from './safetensors.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-safetensors-'))
afterAll(() => rmSync(folder, { recursive: true }))

const path = join(folder, 'model.safetensors')

/** A safetensors file of this header and data; `length` is what its first 8 bytes claim. */
function write(header: string | Uint8Array, data: ArrayLike<number> = [], length?: bigint): string {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const file = new Uint8Array(8 + json.length + data.length)
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(json.length), true)
  file.set(json, 8)
  file.set(data, 8 + json.length)
  writeFileSync(path, file)
  return path
}

const info = (dtype: string, shape: readonly number[], start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
})
const header = (tensors: object) => JSON.stringify(tensors)

function expectRefused(file: string, message: RegExp) {
  let answer: unknown
  try {
    answer = parseSafetensors(file)
  } catch (error) {
    answer = error
  }
  expect(answer).toBeInstanceOf(StudioError)
  expect((answer as StudioError).message).toMatch(message)
}

describe('a well-formed file', () => {
  test('gives each tensor its slice of the file, and the metadata', () => {
    const json = header({ __metadata__: { a: 'b' }, y: info('U8', [2], 4, 6), x: info('F32', [1], 0, 4) })
    const file = parseSafetensors(write(json, [0, 0, 128, 63, 7, 9]))
    expect([...file.metadata]).toEqual([['a', 'b']])
    expect([...file.entries.keys()]).toEqual(['y', 'x'])
    expect(file.entries.get('y')!.location).toEqual({ path, offset: 8 + json.length + 4 })
    expect([...readWeight(file.entries.get('x')!).data]).toEqual([1])
    expect([...readBytes(file.entries.get('y')!)]).toEqual([7, 9])
  })

  test('may have no tensors at all', () => {
    expect(parseSafetensors(write('{}')).entries.size).toBe(0)
  })

  test('may have white space before and after the header, as some writers align their data', () => {
    for (const json of ['{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   ', ' \n\t\r{} ']) {
      expect(() => parseSafetensors(write(json, json.length > 10 ? [1] : []))).not.toThrow()
    }
  })

  test('may have tensors of size zero, and scalars', () => {
    const file = parseSafetensors(
      write(
        header({ a: info('F32', [2, 0], 0, 0), b: info('F32', [], 0, 4), c: info('I64', [0], 4, 4) }),
        [0, 0, 0, 64],
      ),
    )
    expect(readWeight(file.entries.get('a')!)).toEqual({ shape: [2, 0], data: new Float32Array(0) })
    expect(readWeight(file.entries.get('b')!)).toEqual({ shape: [], data: Float32Array.of(2) })
    expect(file.entries.get('c')!.sizeBytes).toBe(0)
  })

  test('may hold members of a tensor that nobody knows yet', () => {
    const json = '{"x":{"dtype":"U8","note":{"deep":[1,-2.5e3,null,true,"z"]},"shape":[1],"data_offsets":[0,1]}}'
    expect(parseSafetensors(write(json, [5])).entries.get('x')!.shape).toEqual([1])
  })

  test('may have names with escapes and names that mean something to JavaScript', () => {
    const names = ['a"b\\c', '__proto__', 'constructor', '0', 'ключ', '\u{1f600}']
    const json = `{${names.map((name, i) => `${JSON.stringify(name)}:${header(info('U8', [1], i, i + 1))}`).join()}}`
    const file = parseSafetensors(
      write(
        json,
        names.map((_, i) => i),
      ),
    )
    expect([...file.entries.keys()]).toEqual(names)
    expect(readBytes(file.entries.get('__proto__')!)).toEqual(Uint8Array.of(1))
  })

  test.each([
    ['F64', [0, 0, 0, 0, 0, 0, 4, 192], -2.5],
    ['F32', [0, 0, 32, 192], -2.5],
    ['F16', [0, 193], -2.5],
    ['BF16', [32, 192], -2.5],
    ['F8_E4M3', [0xc2], -2.5],
    ['F8_E5M2', [0xc1], -2.5],
    ['I64', [254, 255, 255, 255, 255, 255, 255, 255], -2],
    ['I32', [254, 255, 255, 255], -2],
    ['I16', [254, 255], -2],
    ['I8', [254], -2],
    ['U8', [254], 254],
    ['BOOL', [1], 1],
  ] as const)('reads %s as float32', (dtype, bytes, value) => {
    const file = parseSafetensors(write(header({ x: info(dtype, [1], 0, bytes.length) }), bytes))
    expect([...readWeight(file.entries.get('x')!).data]).toEqual([value])
  })

  test('names tensors of types it cannot read without offering them', () => {
    const file = parseSafetensors(
      write(
        header({ a: info('U32', [1], 0, 4), b: info('F4', [4], 4, 6), c: info('U8', [1], 6, 7) }),
        [0, 0, 0, 0, 0, 0, 3],
      ),
    )
    expect(file.foreign).toEqual([
      { name: 'a', dtype: 'U32', shape: [1] },
      { name: 'b', dtype: 'F4', shape: [4] },
    ])
    expect([...file.entries.keys()]).toEqual(['c'])
  })
})

describe('refuses', () => {
  const one = info('U8', [1], 0, 1)

  test.each([0, 1, 7])('a file of %i bytes', (size) => {
    writeFileSync(path, new Uint8Array(size))
    expectRefused(path, /at least 8/)
  })

  test('a header over 100 MB, before reading it', () => {
    expectRefused(write('{}', [], 100_000_001n), /at most 100000000/)
    expectRefused(write('{}', [], 2n ** 64n - 1n), /at most 100000000/)
  })

  test('a header longer than the file', () => {
    expectRefused(write('{}', [], 3n), /cut short/)
  })

  test.each([
    ['an empty header', ''],
    ['an array', '[]'],
    ['a number', '1'],
    ['an object cut off', '{"x":'],
    ['a comma too many', '{"__metadata__":{},}'],
    ['text after the object', '{} {}'],
    ['a zero byte for padding', '{}\0'],
    ['a byte order mark', '\ufeff{}'],
    ['single quotes', "{'a':{}}"],
    ['a comment', '{/**/}'],
    ['a raw line end in a name', '{"a\nb":{}}'],
    ['a wrong escape', '{"\\x41":{}}'],
    ['half a surrogate pair', '{"\\ud800":{}}'],
    ['a name that does not end', '{"abc\\"'],
  ])('%s', (_, json) => {
    expectRefused(write(json), /header is not as expected/)
  })

  test('a header that is not UTF-8', () => {
    expectRefused(write(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), /not UTF-8/)
  })

  test('the same name twice, which readers would understand differently', () => {
    const twice = `{"x":${header(one)},"x":${header(one)}}`
    expectRefused(write(twice, [1]), /the key "x" appears twice/)
    expectRefused(write(`{"x":${header(one)},"\\u0078":${header(one)}}`, [1]), /appears twice/)
    expectRefused(write('{"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', [1]), /appears twice/)
    expectRefused(write('{"__metadata__":{"a":"1","a":"2"}}'), /appears twice/)
  })

  test('metadata that is not text', () => {
    expectRefused(write('{"__metadata__":{"a":1}}'), /expected "/)
    expectRefused(write('{"__metadata__":{"a":{"b":"c"}}}'), /expected "/)
    expectRefused(write('{"__metadata__":[]}'), /expected \{/)
  })

  test('a tensor without one of its three members', () => {
    const { dtype, shape, data_offsets } = one
    for (const broken of [
      { dtype, shape },
      { dtype, data_offsets },
      { shape, data_offsets },
    ]) {
      expectRefused(write(header({ x: broken }), [1]), /"x" lacks/)
    }
  })

  test.each(['-1', '1.0', '1e3', '01', '"1"', 'null', '9007199254740992', '18446744073709551616'])(
    'the number %s in a shape or an offset',
    (number) => {
      expectRefused(write(`{"x":{"dtype":"U8","shape":[${number}],"data_offsets":[0,1]}}`, [1]), /header is not/)
      expectRefused(write(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,${number}]}}`, [1]), /header is not/)
    },
  )

  test('other than two offsets', () => {
    for (const offsets of ['[]', '[0]', '[0,1,1]']) {
      expectRefused(write(`{"x":{"dtype":"U8","shape":[1],"data_offsets":${offsets}}}`, [1]), /header is not/)
    }
  })

  test('an element type that does not exist', () => {
    expectRefused(write(header({ x: info('F31', [1], 0, 4) }), [0, 0, 0, 0]), /unknown element type "F31"/)
  })

  test('tensors that overlap', () => {
    expectRefused(
      write(header({ a: info('U8', [2], 0, 2), b: info('U8', [2], 1, 3) }), [1, 2, 3]),
      /"b" lies at bytes 1/,
    )
    expectRefused(write(header({ a: one, b: one }), [1]), /expected to start at 1/)
  })

  test('ten thousand tensors on the same bytes', () => {
    const tensors = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`t${i}`, one]))
    expectRefused(write(header(tensors), [1]), /expected to start at 1/)
  })

  test('a gap between tensors or before the first', () => {
    expectRefused(
      write(header({ a: one, b: info('U8', [1], 2, 3) }), [1, 2, 3]),
      /"b" lies at bytes 2 to 3, expected to start at 1/,
    )
    expectRefused(write(header({ a: info('U8', [1], 1, 2) }), [1, 2]), /expected to start at 0/)
  })

  test('bytes after the last tensor, where another file could hide', () => {
    expectRefused(write(header({ a: one }), [1, 2]), /end at byte 1 of 2/)
    expectRefused(write('{}', [1]), /end at byte 0 of 1/)
  })

  test('a file cut short in its data', () => {
    expectRefused(write(header({ a: info('U8', [4], 0, 4) }), [1, 2]), /end at byte 4 of 2/)
  })

  test('offsets that run backwards', () => {
    expectRefused(write(header({ a: info('U8', [1], 1, 0) }), [1]), /"a" lies at bytes 1 to 0/)
  })

  test('a shape that says another size than the offsets', () => {
    expectRefused(write(header({ a: info('F32', [2], 0, 4) }), [0, 0, 0, 0]), /takes 8 bytes, found 4/)
    expectRefused(write(header({ a: info('F32', [0], 0, 4) }), [0, 0, 0, 0]), /takes 0 bytes, found 4/)
  })

  test('shapes whose size overflows, even where a zero follows', () => {
    const large = 2 ** 40
    expectRefused(write(header({ a: info('F32', [large, large], 0, 0) })), /no size/)
    expectRefused(write(header({ a: info('F32', [large, large, 0], 0, 0) })), /no size/)
    expectRefused(write(header({ a: info('F64', [2 ** 52], 0, 0) })), /no size/)
  })

  test('elements smaller than a byte that do not fill the last one', () => {
    expectRefused(write(header({ a: info('F4', [3], 0, 2) }), [0, 0]), /no size in whole bytes/)
    expectRefused(write(header({ a: info('F6_E2M3', [2], 0, 2) }), [0, 0]), /no size in whole bytes/)
  })

  test('values nested deeper than four levels', () => {
    const deep = `{"x":{"dtype":"U8","note":${'['.repeat(100_000)}`
    expectRefused(write(deep), /deeper than 4/)
  })

  test('a name longer than any path', () => {
    expectRefused(write(header({ ['n'.repeat(5000)]: one }), [1]), /a key of 5000 characters/)
  })

  test('a shape of more dimensions than any tensor', () => {
    expectRefused(write(header({ a: info('U8', new Array(65).fill(1), 0, 1) }), [1]), /more than 64/)
  })

  test('more tensors than any model', { timeout: 120_000 }, () => {
    const empty = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    const json = `{${Array.from({ length: 1_000_001 }, (_, i) => `"${i}":${empty}`).join()}}`
    expectRefused(write(json), /more than 1000000 tensors/)
  })
})

test('a file that shrinks after it was opened is noticed when its numbers are read', () => {
  const file = parseSafetensors(write(header({ a: info('U8', [4], 0, 4) }), [1, 2, 3, 4]))
  truncateSync(path, 20)
  expect(() => readWeight(file.entries.get('a')!)).toThrow(/ends at byte 61, expected 4 bytes/)
})

test('a file that is gone is called missing', () => {
  expect(() => openWeights(join(folder, 'nothing'))).toThrow(expect.objectContaining({ code: 'missing-file' }))
})

describe('whatever the bytes', () => {
  const valid = () => {
    const json = header({ __metadata__: { a: 'b' }, x: info('F16', [2, 2], 0, 8), y: info('U8', [3], 8, 11) })
    const bytes = new Uint8Array(8 + json.length + 11)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
    bytes.set(new TextEncoder().encode(json), 8)
    return bytes
  }

  /** Either a typed error, or a file whose every tensor can be read. */
  function openAll(bytes: Uint8Array) {
    writeFileSync(path, bytes)
    try {
      for (const entry of openWeights(path).entries.values()) expect(readBytes(entry)).toHaveLength(entry.sizeBytes)
    } catch (error) {
      if (!(error instanceof StudioError)) throw error
    }
  }

  test('of a valid file one changes, the answer is a typed error or tensors inside the file', () => {
    const change = fc.record({ at: fc.nat({ max: valid().length - 1 }), to: fc.integer({ min: 0, max: 255 }) })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = valid()
        for (const { at, to } of changes) bytes[at] = to
        openAll(bytes)
      }),
      { numRuns: 2000 },
    )
  })

  test('of any file, the answer is a typed error or tensors inside the file', () => {
    const framed = fc.tuple(fc.json(), fc.uint8Array({ maxLength: 32 })).map(([json, data]) => {
      const text = new TextEncoder().encode(json)
      return Uint8Array.of(...new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer), ...text, ...data)
    })
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), framed)
    fc.assert(fc.property(bytes, openAll), { numRuns: 1000 })
  })
})
