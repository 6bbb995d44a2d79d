/*
 * The pickle format is a program for a stack machine. This machine builds plain data and nothing else: it imports
 * nothing, calls nothing and knows only the opcodes that data needs. What names (`GLOBAL`) and calls (`REDUCE`,
 * `NEWOBJ`, `BUILD`) mean is asked of `PickleRules`, which answers with data or refuses.
 */

export type PyValue = null | boolean | number | bigint | string | Uint8Array | PyCompound
export type PyCompound = PyList | PyTuple | PyDict | PyGlobal | PyObject | PyStorage | PyTensor

/** A list or a set. */
export interface PyList {
  readonly kind: 'list'
  readonly items: PyValue[]
}

export interface PyTuple {
  readonly kind: 'tuple'
  readonly items: readonly PyValue[]
}

export interface PyDict {
  readonly kind: 'dict'
  readonly items: Map<PyValue, PyValue>
}

/** A name of the Python world, `module.name`, which stays a name. */
export interface PyGlobal {
  readonly kind: 'global'
  readonly name: string
}

/** The record of an object that would have been made: its class and what it would have been given. */
export interface PyObject {
  readonly kind: 'object'
  readonly type: string
  state: PyValue
}

/** A run of elements that lies outside the pickle under `key`. */
export interface PyStorage {
  readonly kind: 'storage'
  readonly key: string
  readonly dtype: string
  readonly elements: number
  /** First element of a legacy storage that is a view of another. */
  readonly offset: number
}

/** A strided view of a storage; offset and strides count elements. */
export interface PyTensor {
  readonly kind: 'tensor'
  readonly storage: PyStorage
  readonly dtype: string
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}

export interface PickleRules {
  /** What the name stands for; throws where it is not on the list. */
  global(name: string): PyGlobal
  /** What calling `callee` with `args` gives; throws where that is not allowed. */
  call(callee: PyGlobal, args: readonly PyValue[]): PyCompound
  /** Gives an object its state. */
  build(target: PyValue, state: PyValue): void
  /** What a persistent id stands for. */
  persistent(id: PyValue): PyCompound
}

/** Why a pickle is refused. The machine adds opcode and offset, the opener the file. */
export class PickleError extends Error {}

/** Values waiting on the stack: Python writes at most a thousand pairs before it puts them into their dictionary. */
const maxStack = 100_000
/** A tensor takes eight of them, a checkpoint some ten thousand. */
const maxMade = 1_000_000

const lists = (items: PyValue[]): PyList => ({ kind: 'list', items })
const tuple = (...items: PyValue[]): PyTuple => ({ kind: 'tuple', items })

/** Runs the pickle that starts at `start`; answers its value and where it ended. */
export function unpickle(bytes: Uint8Array, start: number, rules: PickleRules): { value: PyValue; end: number } {
  const machine = new Machine(bytes, start, rules)
  for (;;) {
    const at = machine.at
    const code = machine.byte()
    const opcode = opcodes[code]
    try {
      if (code === stop) return { value: machine.pop(), end: machine.at }
      if (!opcode) throw new PickleError('an opcode that data does not need')
      opcode(machine)
    } catch (error) {
      if (!(error instanceof PickleError)) throw error
      throw new PickleError(`${error.message} (opcode 0x${code.toString(16).padStart(2, '0')} at byte ${at})`)
    }
  }
}

class Machine {
  at: number
  readonly rules: PickleRules
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly stack: PyValue[] = []
  private readonly marks: number[] = []
  private readonly memo = new Map<number, PyValue>()
  private made = 0

  constructor(bytes: Uint8Array, start: number, rules: PickleRules) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.at = start
    this.rules = rules
  }

  /** Moves past `count` bytes and answers where they start. */
  private advance(count: number): number {
    const start = this.at
    if (count > this.bytes.length - start) throw new PickleError(`the file ends inside the pickle, at byte ${start}`)
    this.at += count
    return start
  }

  byte(): number {
    return this.view.getUint8(this.advance(1))
  }

  uint16(): number {
    return this.view.getUint16(this.advance(2), true)
  }

  int32(): number {
    return this.view.getInt32(this.advance(4), true)
  }

  uint32(): number {
    return this.view.getUint32(this.advance(4), true)
  }

  uint64(): number {
    return Number(this.view.getBigUint64(this.advance(8), true))
  }

  bigEndianDouble(): number {
    return this.view.getFloat64(this.advance(8), false)
  }

  take(count: number): Uint8Array {
    const start = this.advance(count)
    return this.bytes.subarray(start, start + count)
  }

  /** Text up to the end of the line, as protocol 0 writes names and numbers. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at)
    if (end < 0) throw new PickleError('the file ends inside a line')
    const text = utf8(this.take(end - this.at))
    this.at++
    return text
  }

  push(value: PyValue): void {
    if (this.stack.length === maxStack) throw new PickleError(`more than ${maxStack} values at once`)
    this.stack.push(value)
  }

  /** Pushes something new that takes memory of its own. */
  make(value: PyCompound): void {
    if (++this.made > maxMade) throw new PickleError(`more than ${maxMade} lists, dictionaries and the like`)
    this.push(value)
  }

  pop(): PyValue {
    const value = this.top()
    this.stack.pop()
    return value
  }

  top(): PyValue {
    const value = this.stack.at(-1)
    if (value === undefined || this.stack.length <= (this.marks.at(-1) ?? 0))
      throw new PickleError('the stack is empty')
    return value
  }

  mark(): void {
    if (this.marks.length === maxStack) throw new PickleError(`more than ${maxStack} marks at once`)
    this.marks.push(this.stack.length)
  }

  /** Everything since the last mark, which goes too. */
  popMark(): PyValue[] {
    const mark = this.marks.pop()
    if (mark === undefined) throw new PickleError('there is no mark')
    return this.stack.splice(mark)
  }

  topList(): PyList {
    const list = this.top()
    if (!isKind(list, 'list')) throw new PickleError('a list is expected')
    return list
  }

  setItems(pairs: readonly PyValue[]): void {
    const dict = this.top()
    if (!isKind(dict, 'dict')) throw new PickleError('a dictionary is expected')
    if (pairs.length % 2) throw new PickleError('a key without a value')
    for (let i = 0; i < pairs.length; i += 2) dict.items.set(pairs[i]!, pairs[i + 1]!)
  }

  put(index: number): void {
    this.memo.set(index, this.top())
  }

  memoize(): void {
    this.put(this.memo.size)
  }

  get(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) throw new PickleError(`nothing was remembered under ${index}`)
    this.push(value)
  }

  call(callee: PyValue, args: PyValue): void {
    if (!isKind(callee, 'global')) throw new PickleError('only a listed name may be called')
    if (!isKind(args, 'tuple')) throw new PickleError('the arguments are not a tuple')
    this.make(this.rules.call(callee, args.items))
  }
}

export function isKind<K extends PyCompound['kind']>(
  value: PyValue | undefined,
  kind: K,
): value is Extract<PyCompound, { kind: K }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind
}

const stop = 0x2e

/** By their names in Python's pickletools; protocols 0 to 5 as far as data is concerned. */
const opcodes: Readonly<Record<number, (m: Machine) => void>> = {
  128: (m) => protocol(m.byte()),
  149: (m) => void m.uint64(), // FRAME: how much follows, which only a stream would want to know
  40: (m) => m.mark(),
  48: (m) => void m.pop(),
  49: (m) => void m.popMark(),

  78: (m) => m.push(null), // NONE
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  73: (m) => m.push(decimal(m.line())), // INT
  76: (m) => m.push(decimal(m.line())), // LONG
  74: (m) => m.push(m.int32()), // BININT
  75: (m) => m.push(m.byte()), // BININT1
  77: (m) => m.push(m.uint16()), // BININT2
  138: (m) => m.push(twosComplement(m.take(m.byte()))), // LONG1
  70: (m) => m.push(float(m.line())), // FLOAT
  71: (m) => m.push(m.bigEndianDouble()), // BINFLOAT

  88: (m) => m.push(utf8(m.take(m.uint32()))), // BINUNICODE
  140: (m) => m.push(utf8(m.take(m.byte()))), // SHORT_BINUNICODE
  141: (m) => m.push(utf8(m.take(m.uint64()))), // BINUNICODE8
  84: (m) => m.push(latin1(m.take(m.uint32()))), // BINSTRING, text of Python 2
  85: (m) => m.push(latin1(m.take(m.byte()))), // SHORT_BINSTRING
  66: (m) => m.push(m.take(m.uint32())), // BINBYTES
  67: (m) => m.push(m.take(m.byte())), // SHORT_BINBYTES
  142: (m) => m.push(m.take(m.uint64())), // BINBYTES8

  93: (m) => m.make(lists([])), // EMPTY_LIST
  108: (m) => m.make(lists(m.popMark())), // LIST
  97: (m) => append(m, [m.pop()]), // APPEND
  101: (m) => append(m, m.popMark()), // APPENDS
  143: (m) => m.make(lists([])), // EMPTY_SET
  144: (m) => append(m, m.popMark()), // ADDITEMS
  145: (m) => m.make(lists(m.popMark())), // FROZENSET
  41: (m) => m.make(tuple()), // EMPTY_TUPLE
  116: (m) => m.make({ kind: 'tuple', items: m.popMark() }), // TUPLE
  133: (m) => m.make(tuple(m.pop())), // TUPLE1
  134: (m) => m.make(tuple(...[m.pop(), m.pop()].reverse())), // TUPLE2
  135: (m) => m.make(tuple(...[m.pop(), m.pop(), m.pop()].reverse())), // TUPLE3
  125: (m) => m.make({ kind: 'dict', items: new Map() }), // EMPTY_DICT
  100: (m) => {
    const pairs = m.popMark()
    m.make({ kind: 'dict', items: new Map() })
    m.setItems(pairs)
  },
  115: (m) => m.setItems([m.pop(), m.pop()].reverse()), // SETITEM
  117: (m) => m.setItems(m.popMark()), // SETITEMS

  113: (m) => m.put(m.byte()), // BINPUT
  114: (m) => m.put(m.uint32()), // LONG_BINPUT
  148: (m) => m.memoize(),
  104: (m) => m.get(m.byte()), // BINGET
  106: (m) => m.get(m.uint32()), // LONG_BINGET

  99: (m) => m.make(m.rules.global(`${m.line()}.${m.line()}`)), // GLOBAL
  147: (m) => {
    const [name, module] = [m.pop(), m.pop()]
    if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('a name that is not text')
    m.make(m.rules.global(`${module}.${name}`))
  },
  82: (m) => {
    const args = m.pop()
    m.call(m.pop(), args)
  },
  129: (m) => {
    const args = m.pop()
    m.call(m.pop(), args)
  },
  98: (m) => {
    const state = m.pop()
    m.rules.build(m.top(), state)
  },
  81: (m) => m.make(m.rules.persistent(m.pop())), // BINPERSID
}

function append(m: Machine, items: readonly PyValue[]): void {
  const list = m.topList()
  for (const item of items) list.items.push(item)
}

function protocol(version: number): void {
  if (version > 5) throw new PickleError(`protocol ${version}, at most 5 expected`)
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new PickleError('text that is not UTF-8')
  }
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
