import { Machine, utf8 } from './pickleMachine.ts'
import { PickleError, type PickleRules, type PyList, type PyTuple, type PyValue } from './pyValues.ts'

/*
 * The pickle format is a program for a stack machine. This machine builds plain data and nothing else: it imports
 * nothing, calls nothing and knows only the opcodes that data needs. What names (`GLOBAL`) and calls (`REDUCE`,
 * `NEWOBJ`, `BUILD`) mean is asked of `PickleRules`, which answers with data or refuses.
 */

const lists = (items: PyValue[]): PyList => ({ kind: 'list', items })
const tuple = (...items: PyValue[]): PyTuple => ({ kind: 'tuple', items })

/** Runs the pickle that starts at `start`; answers its value and where it ended. */
export function unpickle(bytes: Uint8Array, start: number, rules: PickleRules): { value: PyValue; end: number } {
  const machine = new Machine(bytes, start, rules)
  for (;;) {
    const at = machine.at
    const code = machine.byte()
    const [, name, run] = opcodes.get(code) ?? []
    try {
      if (code === stop) return { value: machine.pop(), end: machine.at }
      if (!run) throw new PickleError('an opcode that data does not need')
      run(machine)
    } catch (error) {
      if (!(error instanceof PickleError)) throw error
      const hex = `0x${code.toString(16).padStart(2, '0')}`
      throw new PickleError(`${error.message} (opcode ${name ?? hex} at byte ${at})`)
    }
  }
}

const stop = 0x2e

type Opcode = readonly [code: number, name: string, run: (m: Machine) => void]

/** By their names in Python's pickletools; protocols 0 to 5 as far as data is concerned. */
const table: readonly Opcode[] = [
  [0x80, 'PROTO', (m) => protocol(m.byte())],
  [0x95, 'FRAME', (m) => void m.uint64()], // how much follows, which only a stream would want to know
  [0x28, 'MARK', (m) => m.mark()],
  [0x30, 'POP', (m) => void m.pop()],
  [0x31, 'POP_MARK', (m) => void m.popMark()],

  [0x4e, 'NONE', (m) => m.push(null)],
  [0x88, 'NEWTRUE', (m) => m.push(true)],
  [0x89, 'NEWFALSE', (m) => m.push(false)],
  [0x49, 'INT', (m) => m.push(decimal(m.line()))],
  [0x4c, 'LONG', (m) => m.push(decimal(m.line()))],
  [0x4a, 'BININT', (m) => m.push(m.int32())],
  [0x4b, 'BININT1', (m) => m.push(m.byte())],
  [0x4d, 'BININT2', (m) => m.push(m.uint16())],
  [0x8a, 'LONG1', (m) => m.push(twosComplement(m.take(m.byte())))],
  [0x46, 'FLOAT', (m) => m.push(float(m.line()))],
  [0x47, 'BINFLOAT', (m) => m.push(m.bigEndianDouble())],

  [0x58, 'BINUNICODE', (m) => m.push(utf8(m.take(m.uint32())))],
  [0x8c, 'SHORT_BINUNICODE', (m) => m.push(utf8(m.take(m.byte())))],
  [0x8d, 'BINUNICODE8', (m) => m.push(utf8(m.take(m.uint64())))],
  [0x54, 'BINSTRING', (m) => m.push(latin1(m.take(m.uint32())))], // text of Python 2
  [0x55, 'SHORT_BINSTRING', (m) => m.push(latin1(m.take(m.byte())))],
  [0x42, 'BINBYTES', (m) => m.push(m.take(m.uint32()))],
  [0x43, 'SHORT_BINBYTES', (m) => m.push(m.take(m.byte()))],
  [0x8e, 'BINBYTES8', (m) => m.push(m.take(m.uint64()))],

  [0x5d, 'EMPTY_LIST', (m) => m.make(lists([]))],
  [0x6c, 'LIST', (m) => m.make(lists(m.popMark()))],
  [0x61, 'APPEND', (m) => append(m, [m.pop()])],
  [0x65, 'APPENDS', (m) => append(m, m.popMark())],
  [0x8f, 'EMPTY_SET', (m) => m.make(lists([]))],
  [0x90, 'ADDITEMS', (m) => append(m, m.popMark())],
  [0x91, 'FROZENSET', (m) => m.make(lists(m.popMark()))],
  [0x29, 'EMPTY_TUPLE', (m) => m.make(tuple())],
  [0x74, 'TUPLE', (m) => m.make({ kind: 'tuple', items: m.popMark() })],
  [0x85, 'TUPLE1', (m) => m.make(tuple(m.pop()))],
  [0x86, 'TUPLE2', (m) => m.make(tuple(...[m.pop(), m.pop()].reverse()))],
  [0x87, 'TUPLE3', (m) => m.make(tuple(...[m.pop(), m.pop(), m.pop()].reverse()))],
  [0x7d, 'EMPTY_DICT', (m) => m.make({ kind: 'dict', items: new Map() })],
  [
    0x64,
    'DICT',
    (m) => {
      const pairs = m.popMark()
      m.make({ kind: 'dict', items: new Map() })
      m.setItems(pairs)
    },
  ],
  [0x73, 'SETITEM', (m) => m.setItems([m.pop(), m.pop()].reverse())],
  [0x75, 'SETITEMS', (m) => m.setItems(m.popMark())],

  [0x71, 'BINPUT', (m) => m.put(m.byte())],
  [0x72, 'LONG_BINPUT', (m) => m.put(m.uint32())],
  [0x94, 'MEMOIZE', (m) => m.memoize()],
  [0x68, 'BINGET', (m) => m.get(m.byte())],
  [0x6a, 'LONG_BINGET', (m) => m.get(m.uint32())],

  [0x63, 'GLOBAL', (m) => m.make(m.rules.global(`${m.line()}.${m.line()}`))],
  [
    0x93,
    'STACK_GLOBAL',
    (m) => {
      const [name, module] = [m.pop(), m.pop()]
      if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('a name that is not text')
      m.make(m.rules.global(`${module}.${name}`))
    },
  ],
  [
    0x52,
    'REDUCE',
    (m) => {
      const args = m.pop()
      m.call(m.pop(), args)
    },
  ],
  [
    0x81,
    'NEWOBJ',
    (m) => {
      const args = m.pop()
      m.call(m.pop(), args)
    },
  ],
  [
    0x62,
    'BUILD',
    (m) => {
      const state = m.pop()
      m.rules.build(m.top(), state)
    },
  ],
  [0x51, 'BINPERSID', (m) => m.make(m.rules.persistent(m.pop()))],
]

const opcodes = new Map(table.map((opcode) => [opcode[0], opcode]))

function append(m: Machine, items: readonly PyValue[]): void {
  const list = m.topList()
  for (const item of items) list.items.push(item)
}

function protocol(version: number): void {
  if (version > 5) throw new PickleError(`protocol ${version}, at most 5 expected`)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

function decimal(line: string): PyValue {
  if (line === '00' || line === '01') return line === '01' // how protocol 0 writes booleans
  const digits = /^-?\d{1,100}(?=L?$)/.exec(line)?.[0]
  if (digits === undefined) throw new PickleError('an integer that is not in decimal digits')
  return exact(BigInt(digits))
}

function float(line: string): number {
  if (!/^(?:[-+]?\d[-+.\de]*|[-+]?inf|nan)$/i.test(line)) throw new PickleError('a number that is not one')
  return Number(line.replace(/inf/i, 'Infinity'))
}

/** A little-endian integer of any length. */
function twosComplement(bytes: Uint8Array): PyValue {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return exact(bytes.length > 0 && bytes.at(-1)! & 0x80 ? value - (1n << BigInt(8 * bytes.length)) : value)
}

/** A number where it is exact, a bigint beyond. */
function exact(value: bigint): number | bigint {
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}
