import { isKind, PickleError, type PickleRules, type PyCompound, type PyList, type PyValue } from './pyValues.ts'

/** Values waiting on the stack: Python writes at most a thousand pairs before it puts them into their dictionary. */
const maxStack = 100_000
/** A tensor takes eight of them, a checkpoint some ten thousand. */
const maxMade = 1_000_000

/** The stack, the marks, the memo and the place in the bytes: what the opcodes of a pickle work on. */
export class Machine {
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

export function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new PickleError('text that is not UTF-8')
  }
}
