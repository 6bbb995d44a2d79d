import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { StudioError } from '../errors.ts'
import { openWeights } from './openWeights.ts'
import { readBytes, readWeight } from './readWeight.ts'
import type { PlainValue } from './weights.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-torch-'))
afterAll(() => rmSync(folder, { recursive: true }))

const goldens = 'src/files/goldens'
const json = (name: string) => JSON.parse(readFileSync(join(goldens, name), 'utf8'))

interface Expected {
  tensors: Record<string, { dtype: string; shape: number[]; values: number[] }>
  values: Record<string, unknown>
}
const expected: Record<string, Expected> = json('expected.json')

const dtypes: Readonly<Record<string, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
}

function plainToJson(value: PlainValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plainToJson(item)]))
  if (Array.isArray(value)) return value.map(plainToJson)
  return typeof value === 'bigint' ? `${value}` : value
}

describe('a file that PyTorch wrote', () => {
  test.each(Object.keys(expected))('%s has the tensors and values that were saved', (name) => {
    const file = openWeights(join(goldens, name))
    const { tensors, values } = expected[name]!
    expect(file.format).toBe('pickle')
    expect([...file.entries.keys()].sort()).toEqual(Object.keys(tensors).sort())
    for (const [path, { dtype, shape, values }] of Object.entries(tensors)) {
      const entry = file.entries.get(path)!
      expect({ path, dtype: entry.dtype, shape: entry.shape }).toEqual({ path, dtype: dtypes[dtype], shape })
      expect([...readWeight(entry).data]).toEqual(values.map(Math.fround))
    }
    expect(plainToJson(file.values!)).toMatchObject(values)
  })

  test('keeps its tensors where they are, but for those in another order', () => {
    for (const name of ['zip.pt', 'legacy.pt']) {
      const { entries } = openWeights(join(goldens, name))
      const elsewhere = [...entries.values()].filter(({ location }) => 'bytes' in location).map((entry) => entry.name)
      expect(elsewhere).toEqual(['empty', 'transposed', 'channels_last', 'expanded', 'slice'])
    }
  })

  test('of training keeps the weights and leaves what the optimizer and the callbacks had', () => {
    const { entries, values } = openWeights(join(goldens, 'lightning.ckpt'))
    expect([...entries.keys()]).toEqual(['model.diffusion_model.out.2.bias', 'betas'])
    expect(values!.get('global_step')).toBe(470000)
    expect(values!.has('callbacks')).toBe(false)
  })
})

const path = join(folder, 'file.pt')

/** A pickle of protocol 2 from opcodes and text. */
const pickle = (...parts: (string | number)[]) =>
  Buffer.concat([
    Buffer.of(0x80, 2),
    ...parts.map((p) => (typeof p === 'number' ? Buffer.of(p) : Buffer.from(p, 'latin1'))),
    Buffer.from('.'),
  ])

const text = (value: string) => `X${String.fromCharCode(value.length, 0, 0, 0)}${value}`
const int = (value: number) => `J${Buffer.from(Int32Array.of(value).buffer).toString('latin1')}`
const tuple = (...items: string[]) => `(${items.join('')}t`

/** A float tensor over storage `key`, as `torch.save` writes it. */
function tensor(
  key: string,
  { elements, offset = int(0), shape, strides }: { elements: number; offset?: string; shape: string; strides: string },
) {
  const storage = tuple(text('storage'), 'ctorch\nFloatStorage\n', text(key), text('cpu'), int(elements))
  const hooks = 'ccollections\nOrderedDict\n)R'
  return `ctorch._utils\n_rebuild_tensor_v2\n${tuple(`${storage}Q`, offset, shape, strides, '\x89', hooks)}R`
}

const dict = (...items: string[]) => `}(${items.join('')}u`

interface Member {
  name: string
  data: Uint8Array
  /** Changes of fields, by offset in the directory's record and in the local header. */
  directory?: Record<number, number>
  local?: Record<number, number>
}

/** A zip archive of stored members, with whatever lies. */
function zip(members: Member[], { tail = '' } = {}): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, data, directory: lies = {}, local: localLies = {} } of members) {
    const record = Buffer.alloc(46 + name.length)
    record.write('PK\x01\x02', 0, 'latin1')
    const local = Buffer.alloc(30 + name.length)
    local.write('PK\x03\x04', 0, 'latin1')
    for (const [header, size, nameAt] of [
      [record, 20, 46],
      [local, 18, 30],
    ] as const) {
      header.writeUInt32LE(data.length, size)
      header.writeUInt32LE(data.length, size + 4)
      header.writeUInt16LE(name.length, size + 8)
      header.write(name, nameAt)
    }
    record.writeUInt32LE(at, 42)
    for (const [field, value] of Object.entries(lies))
      record.writeUIntLE(value, Number(field), Number(field) < 16 ? 2 : 4)
    for (const [field, value] of Object.entries(localLies))
      local.writeUIntLE(value, Number(field), Number(field) < 14 ? 2 : 4)
    parts.push(local, Buffer.from(data))
    directory.push(record)
    at += local.length + data.length
  }
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(members.length, 8)
  end.writeUInt16LE(members.length, 10)
  end.writeUInt32LE(Buffer.concat(directory).length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, ...directory, end, Buffer.from(tail)])
}

const data = {
  name: 'a/data.pkl',
  data: pickle(dict(text('x'), tensor('0', { elements: 2, shape: tuple(int(2)), strides: tuple(int(1)) }))),
}
const storage = { name: 'a/data/0', data: new Uint8Array(Float32Array.of(1, 2).buffer) }

function open(bytes: Uint8Array) {
  writeFileSync(path, bytes)
  return openWeights(path)
}

function expectRefused(bytes: Uint8Array, message: RegExp, code = 'bad-file') {
  let answer: unknown
  try {
    answer = open(bytes)
  } catch (error) {
    answer = error
  }
  expect(answer).toBeInstanceOf(StudioError)
  expect((answer as StudioError).message).toMatch(message)
  expect((answer as StudioError).code).toBe(code)
}

describe('a pickle that would do harm', () => {
  const malicious: Record<string, string> = json('malicious.json')
  // The magic number and the protocol as PyTorch writes them, then a machine without properties.
  const legacyStart = Buffer.concat([readFileSync(join(goldens, 'legacy.pt')).subarray(0, 21), pickle('}')])

  test.each(Object.entries(malicious))('%s is refused, with what and where, and nothing has run', (_, base64) => {
    const bytes = Buffer.from(base64, 'base64')
    const refusal = /refused for safety or damage: .+ \(opcode (?:[A-Z\d_]+|0x[0-9a-f]{2}) at byte \d+\)/
    expectRefused(zip([{ name: 'a/data.pkl', data: bytes }]), refusal)
    expectRefused(Buffer.concat([legacyStart, bytes]), refusal)
    if (bytes[0] === 0x80) expectRefused(bytes, refusal)
    else expectRefused(bytes, /neither safetensors nor a PyTorch file/)
    expect(existsSync('athanor-canary')).toBe(false)
  })

  test('is refused under any other extension too', () => {
    const bytes = zip([{ name: 'a/data.pkl', data: Buffer.from(malicious['os.system, protocol 2']!, 'base64') }])
    for (const name of ['model.safetensors', 'model.bin', 'model.png', 'model']) {
      writeFileSync(join(folder, name), bytes)
      expect(() => openWeights(join(folder, name))).toThrow(/the name "os.system" is not on the list/)
    }
  })
})

describe('a pickle that lies about its tensors is refused:', () => {
  const opening = (root: string, ...more: Member[]) => zip([{ name: 'a/data.pkl', data: pickle(root) }, ...more])
  const one = (spec: Partial<Parameters<typeof tensor>[1]>) =>
    opening(
      dict(text('x'), tensor('0', { elements: 2, shape: tuple(int(2)), strides: tuple(int(1)), ...spec })),
      storage,
    )

  test('the one it is measured by is not', () => {
    expect([...readWeight(open(one({})).entries.get('x')!).data]).toEqual([1, 2])
  })

  test('a shape beyond the storage', () =>
    expectRefused(one({ shape: tuple(int(3)) }), /leaves its storage of 8 bytes/))
  test('an offset beyond the storage', () => expectRefused(one({ offset: int(1) }), /leaves its storage/))
  test('strides beyond the storage', () => expectRefused(one({ strides: tuple(int(2)) }), /leaves its storage/))
  test('a negative offset', () => expectRefused(one({ offset: int(-1) }), /not a whole number/))
  test('a negative stride', () => expectRefused(one({ strides: tuple(int(-1)) }), /not a whole number/))
  test('a shape of fractions', () =>
    expectRefused(one({ shape: tuple('G\x3f\xf8\0\0\0\0\0\0') }), /not a whole number/))
  test('a shape without strides', () => expectRefused(one({ strides: ')' }), /do not fit/))
  test('a storage that is not there', () => {
    expectRefused(
      opening(dict(text('x'), tensor('1', { elements: 2, shape: ')', strides: ')' })), storage),
      /numbers of x are missing/,
    )
  })
  test('a storage from outside the archive', () => {
    const root = dict(text('x'), tensor('../../etc/passwd', { elements: 2, shape: ')', strides: ')' }))
    expectRefused(opening(root, storage), /numbers of x are missing/)
  })
  test('four bytes that claim to be gigabytes', () => {
    const shape = tuple(int(2 ** 30), int(4))
    expectRefused(one({ shape, strides: tuple(int(0), int(0)) }), /repeats 8 bytes into 17179869184/)
  })
  test('a shape whose size overflows', () => {
    const shape = tuple(int(2 ** 30), int(2 ** 30), int(2 ** 30))
    expectRefused(one({ shape, strides: tuple(int(0), int(0), int(0)) }), /leaves its storage/)
  })
  test('two tensors that would have one name', () => {
    const x = tensor('0', { elements: 2, shape: ')', strides: ')' })
    expectRefused(
      opening(dict(text('a.b'), x, text('a'), dict(text('b'), x)), storage),
      /two tensors of the name "a.b"/,
    )
  })
})

describe('a pickle made to exhaust the reader is refused:', () => {
  const inZip = (...parts: (string | number)[]) => zip([{ name: 'a/data.pkl', data: pickle(...parts) }])

  test('lists of lists of one list, a billion in all', () => {
    let program = ']q\0'
    for (let level = 0; level < 32; level++)
      program += `](${`h${String.fromCharCode(level)}`.repeat(10)}eq${String.fromCharCode(level + 1)}`
    expectRefused(inZip(program), /more than 4000000 values/)
  })
  test('a list that contains itself', () => expectRefused(inZip(']q\0(h\0e'), /nested deeper than 64/))
  test('deep nesting', () => expectRefused(inZip('('.repeat(90_000), 't'.repeat(90_000)), /nested deeper than 64/))
  test('one list copied again and again', () => {
    const copies = 'c__builtin__\nset\nh\0\x85R0'.repeat(1000)
    expectRefused(inZip(']q\0(', 'N'.repeat(20_000), 'e', copies), /copies lists without end/)
  })
  test('dictionaries by the million', () => {
    expectRefused(inZip('}0'.repeat(1_000_001)), /more than 1000000 lists, dictionaries/)
  })
  test('values that are never used', () => expectRefused(inZip('N'.repeat(200_000)), /more than 100000 values at once/))
  test('marks that are never used', () => expectRefused(inZip('('.repeat(200_000)), /more than 100000 marks at once/))
  test('a pickle larger than that of any model', () => {
    expectRefused(inZip('N0'.repeat(2 ** 22)), /a pickle of \d+ bytes, at most 8388608 expected/)
  })
  test('text longer than the file', () => expectRefused(inZip('X\xff\xff\xff\xff'), /the file ends inside the pickle/))
  test('an empty stack', () => expectRefused(inZip(''), /the stack is empty/))
  test('a mark under which nothing may reach', () => expectRefused(inZip('N(0'), /the stack is empty/))
  test('a memo that was never filled', () => expectRefused(inZip('h\x05'), /nothing was remembered under 5/))
  test('a protocol of the future', () => {
    expectRefused(zip([{ name: 'a/data.pkl', data: Buffer.of(0x80, 9, 0x4e, 0x2e) }]), /protocol 9/)
  })
})

describe('an archive', () => {
  test('may be packed by another program, with folders and compression', async () => {
    const { deflateRawSync } = await import('node:zlib')
    const packed = (member: Member): Member => {
      const bytes = deflateRawSync(member.data)
      const size = member.data.length
      return { ...member, data: bytes, directory: { 10: 8, 24: size }, local: { 8: 8, 22: size } }
    }
    const file = open(zip([{ name: 'a/', data: new Uint8Array() }, packed(data), packed(storage)]))
    expect([...readWeight(file.entries.get('x')!).data]).toEqual([1, 2])
  })

  test('in which compression hides more than was promised is refused when it is read', async () => {
    const { deflateRawSync } = await import('node:zlib')
    const bomb = deflateRawSync(new Uint8Array(2 ** 24))
    const file = open(zip([data, { ...storage, data: bomb, directory: { 10: 8, 24: 8 }, local: { 8: 8, 22: 8 } }]))
    expect(() => readBytes(file.entries.get('x')!)).toThrow(/cannot be decompressed|bytes found/)
  })

  test('whose compressed storage is too large to unpack in memory is refused when it is read', () => {
    const size = 2 ** 28 + 4
    const file = open(zip([data, { ...storage, directory: { 10: 8, 24: size }, local: { 8: 8, 22: size } }]))
    expect(() => readBytes(file.entries.get('x')!)).toThrow(expect.objectContaining({ code: 'too-large' }))
  })

  test('with a wrong checksum is damaged', () => {
    expectRefused(zip([{ ...data, directory: { 16: 1 }, local: { 14: 1 } }, storage]), /checksum is wrong/)
  })

  test.each<[string, Member[], RegExp]>([
    ['an encrypted member', [{ ...data, directory: { 8: 1 } }, storage], /encrypted/],
    ['a member encrypted by its local header', [{ ...data, local: { 6: 1 } }, storage], /not what the directory says/],
    ['strange flags', [{ ...data, directory: { 8: 0x40 } }, storage], /unknown flags/],
    ['another way of compression', [{ ...data, directory: { 10: 14 } }, storage], /method 14/],
    ['headers that disagree on the method', [{ ...data, local: { 8: 8 } }, storage], /not what the directory says/],
    ['headers that disagree on the size', [{ ...data, local: { 22: 1 } }, storage], /other sizes/],
    ['a stored member of two sizes', [{ ...data, directory: { 24: 1 } }, storage], /stored in another size/],
    ['members that overlap', [data, { ...storage, directory: { 42: 10 } }], /overlaps|not what the directory/],
    [
      'one member under two names',
      [data, storage, { ...storage, name: 'a/data/1', directory: { 42: 0 } }],
      /overlaps|not what/,
    ],
    [
      'a member that reaches into the directory',
      [data, { ...storage, directory: { 20: 1000, 24: 1000 }, local: { 18: 1000, 22: 1000 } }],
      /reaches into the directory/,
    ],
    ['a member beyond the file', [data, { ...storage, directory: { 42: 0x7fffffff } }], /outside the file/],
    ['the same name twice', [data, storage, storage], /appears twice/],
    ['two pickles', [data, { ...data, name: 'b/data.pkl' }, storage], /2 pickles/],
    ['no pickle', [storage], /0 pickles/],
    ['a name that climbs', [data, storage, { ...storage, name: 'a/../../evil' }], /unexpected member/],
    ['a stranger', [data, storage, { ...storage, name: 'a/script.py' }], /unexpected member "a\/script.py"/],
    ['64-bit sizes that are missing', [data, { ...storage, directory: { 24: 0xffffffff } }], /lacks its 64-bit/],
  ])('with %s is refused', (_, members, message) => expectRefused(zip(members), message))

  test('with something after it is refused', () =>
    expectRefused(zip([data, storage], { tail: 'x' }), /end record is missing/))
  test('cut short is refused', () => expectRefused(zip([data, storage]).subarray(0, -30), /cut short/))

  test('of a program, or of numbers with the highest byte first, is told apart', () => {
    expectRefused(zip([data, storage, { name: 'a/code/m.py', data: new Uint8Array() }]), /TorchScript/, 'unsupported')
    const big = { name: 'a/byteorder', data: Buffer.from('big') }
    expectRefused(zip([data, storage, big]), /highest byte first/, 'unsupported')
  })
})

describe('a legacy file', () => {
  const legacy = readFileSync(join(goldens, 'legacy.pt'))

  test('cut anywhere is refused', () => {
    for (let size = 1; size < legacy.length; size += 37) {
      expect(() => open(legacy.subarray(0, size))).toThrow(StudioError)
    }
  })

  test('with something after it is refused', () => {
    expectRefused(Buffer.concat([legacy, Buffer.of(0)]), /storages end at byte/)
  })

  test('that is any other pickle is refused', () => {
    expectRefused(pickle(dict(text('a'), int(1))), /a pickle that PyTorch did not write/)
  })
})

describe('whatever the bytes', () => {
  const originals = ['zip.pt', 'legacy.pt', 'lightning.ckpt', 'protocol4.pt'].map((name) =>
    readFileSync(join(goldens, name)),
  )

  test('that change in a valid file, the answer is a typed error or tensors that can be read', () => {
    const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), to: fc.integer({ min: 0, max: 255 }) })
    const changes = fc.array(change, { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.constantFrom(...originals), changes, (original, changes) => {
        const bytes = Buffer.from(original)
        for (const { at, to } of changes) bytes[Math.min(bytes.length - 1, Math.floor(at * bytes.length))] = to
        readAll(bytes)
      }),
      { numRuns: 1500 },
    )
  })

  test('of a pickle, the answer is a typed error or tensors that can be read', () => {
    const pieces = [
      '}',
      ']',
      ')',
      '(',
      't',
      'N',
      '0',
      'a',
      'e',
      's',
      'u',
      'q\0',
      'h\0',
      'R',
      'b',
      'Q',
      '\x85',
      '\x81',
      '\x93',
    ]
    const program = fc.array(
      fc.constantFrom(
        ...pieces,
        text('state_dict'),
        int(3),
        'ctorch\nFloatStorage\n',
        'ccollections\nOrderedDict\n',
        'ctorch._utils\n_rebuild_tensor_v2\n',
        'c__builtin__\nset\n',
        tensor('0', { elements: 2, shape: ')', strides: ')' }),
      ),
    )
    fc.assert(
      fc.property(program, (parts) => readAll(zip([{ name: 'a/data.pkl', data: pickle(...parts) }, storage]))),
      { numRuns: 1500 },
    )
  })

  function readAll(bytes: Uint8Array) {
    try {
      for (const entry of open(bytes).entries.values()) expect(readBytes(entry)).toHaveLength(entry.sizeBytes)
    } catch (error) {
      if (!(error instanceof StudioError)) throw error
    }
  }
})
