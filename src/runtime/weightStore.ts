import { resolve } from 'node:path'
import { Graph, type Value } from '../graph/value.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { NativeSession } from './native.ts'
import { excessBytes } from './policy.ts'
import { leaf } from './rewrite.ts'
import { stateOf } from './weightFiles.ts'

/** Opens a graph whose weights are read where they lie. */
export type Open = (graph: Graph) => Promise<NativeSession>

/** Values made of nothing but weights, by what they are made of: equal keys mean equal numbers. */
export type Wanted = ReadonlyMap<string, Value>

/** Values are computed in pieces of about this many bytes, which is what packing needs beside them. */
const pieceBytes = 2 ** 27

/**
 * Packed weights: cast, ordered as the processor wants them, and shared by all sessions that use them. A model with
 * and without a LoRA beside it, with open and with odd sizes, holds them once.
 */
export class WeightStore {
  readonly #held = new Map<string, Tensor>()
  /** The one used longest ago first. */
  #pieces: Piece[] = []
  readonly #users = new Map<object, Wanted>()
  /** Sessions with mapped weights that wait for their next run, and how to close them until then. */
  readonly #idle = new Map<object, () => Promise<void>>()
  readonly #bytesNames = new WeakMap<Uint8Array, number>()
  #named = 0

  /** What a value is made of. */
  keyOf(value: Value): string {
    const { source, type, shape } = value
    if (source.kind === 'node') {
      const inputs = source.node.inputs.map((input) => (input ? this.keyOf(input) : ''))
      return `${source.node.op} ${source.output} ${JSON.stringify(source.node.params)} (${inputs.join(', ')})`
    }
    if (source.kind === 'constant') return `${type} [${shape}] ${source.data}`
    if (source.kind === 'input') throw new Error(`internal: ${source.name} is no weight`)
    const { location, dtype, sizeBytes } = source.entry
    if ('bytes' in location) return `${dtype} [${shape}] ${this.#nameOf(location.bytes)}`
    const { size, mtimeMs } = stateOf(resolve(location.path))
    return `${dtype} [${shape}] ${location.path} ${size} ${mtimeMs} ${location.offset} ${sizeBytes}`
  }

  /** Says who uses which values, so that they stay until the last user has left. */
  enter(user: object, wanted: Wanted): void {
    this.#users.set(user, wanted)
  }

  leave(user: object): void {
    this.wake(user)
    this.#users.delete(user)
    const isUsed = (key: string) => [...this.#users.values()].some((wanted) => wanted.has(key))
    for (const piece of [...this.#pieces]) if (!piece.keys.some(isUsed)) this.#forget(piece)
  }

  /** Says that a session waits, and how it can be closed; it then opens again for its next run. */
  idle(user: object, close: () => Promise<void>): void {
    this.#idle.set(user, close)
  }

  /** Says that a session waits no longer. */
  wake(user: object): void {
    this.#idle.delete(user)
  }

  /** Sees to it that a run can have so many bytes: others that wait are closed, then packed weights given back. */
  async makeRoom(bytes: number, kept: Wanted = new Map()): Promise<void> {
    for (const [user, close] of this.#idle) {
      if (excessBytes(bytes) === 0) return
      this.wake(user)
      await close()
    }
    this.trim(excessBytes(bytes), kept)
  }

  /** Bytes of all packed weights. */
  get heldBytes(): number {
    return this.#pieces.reduce((sum, { memory }) => sum + memory.byteLength, 0)
  }

  /** What these values take packed, and how much of it is not in memory yet. */
  bytesOf(wanted: Wanted): { readonly all: number; readonly missing: number } {
    const missing = [...wanted].flatMap(([key, value]) => (this.#held.has(key) ? [] : [value]))
    return { all: packedBytes(wanted.values()), missing: packedBytes(missing) }
  }

  /** The numbers of these values, computed where they are not in memory. */
  async numbers(wanted: Wanted, open: Open): Promise<ReadonlyMap<string, Tensor>> {
    const missing = [...wanted].filter(([key]) => !this.#held.has(key))
    for (const group of inPieces(missing)) await this.#compute(group, open)
    const used = (piece: Piece) => piece.keys.some((key) => wanted.has(key))
    this.#pieces = [...this.#pieces.filter((piece) => !used(piece)), ...this.#pieces.filter(used)]
    return this.#held
  }

  /** Gives back at least so many bytes where there are as many, to be computed again when wanted; says how many. */
  trim(bytes: number, kept: Wanted = new Map()): number {
    let freed = 0
    for (const piece of [...this.#pieces]) {
      if (freed < bytes && !piece.keys.some((key) => kept.has(key))) freed += this.#forget(piece)
    }
    return freed
  }

  async #compute(values: readonly (readonly [string, Value])[], open: Open): Promise<void> {
    const session = await open(graphOf(values))
    try {
      const { memory, tensors } = room(values.map(([, { shape }]) => shape.map(Number)))
      await session.run({}, Object.fromEntries(tensors.map((x, i) => [`${i}`, x])))
      this.#pieces.push({ memory, keys: values.map(([key]) => key) })
      for (const [i, [key]] of values.entries()) this.#held.set(key, tensors[i]!)
    } finally {
      await session.dispose()
    }
  }

  #forget(piece: Piece): number {
    const bytes = piece.memory.byteLength
    for (const key of piece.keys) this.#held.delete(key)
    this.#pieces = this.#pieces.filter((other) => other !== piece)
    piece.memory.resize(0)
    return bytes
  }

  #nameOf(bytes: Uint8Array): number {
    const name = this.#bytesNames.get(bytes) ?? ++this.#named
    this.#bytesNames.set(bytes, name)
    return name
  }
}

/** Values that were computed together and are given back together. */
interface Piece {
  readonly memory: ResizableBuffer
  readonly keys: readonly string[]
}

/** Bytes that values take as float32. */
function packedBytes(values: Iterable<Value>): number {
  let bytes = 0
  for (const { shape } of values) bytes += 4 * sizeOf(shape.map(Number))
  return bytes
}

function inPieces(values: readonly (readonly [string, Value])[]): (readonly [string, Value])[][] {
  const pieces: (readonly [string, Value])[][] = []
  let room = 0
  for (const entry of values) {
    if (room <= 0) {
      pieces.push([])
      room = pieceBytes
    }
    pieces.at(-1)!.push(entry)
    room -= packedBytes([entry[1]])
  }
  return pieces
}

/** A graph without inputs that computes values of another; its outputs are named by their place. */
function graphOf(values: readonly (readonly [string, Value])[]): Graph {
  const graph = new Graph()
  const copies = new Map<Value, Value>()
  const copyOf = (value: Value): Value => {
    const known = copies.get(value)
    if (known) return known
    const { source } = value
    if (source.kind === 'node') {
      const inputs = source.node.inputs.map((input) => input && copyOf(input))
      const made = graph.append(source.node.op, inputs, source.node.params)
      for (const [i, output] of source.node.outputs.entries()) copies.set(output, made[i]!)
    } else copies.set(value, leaf(graph, value))
    return copies.get(value)!
  }
  for (const [i, [, value]] of values.entries()) graph.output(`${i}`, copyOf(value))
  return graph
}

/** An ArrayBuffer that gives its pages back at once when it shrinks, where another waits for the garbage collector. */
type ResizableBuffer = ArrayBuffer & { resize(bytes: number): void }
// In Node since 20, in TypeScript's library since ES2024.
const Resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ResizableBuffer

/** Memory for tensors of these shapes, each beginning on a cache line of its own. */
function room(shapes: readonly (readonly number[])[]): { memory: ResizableBuffer; tensors: readonly Tensor[] } {
  const line = 64
  const lined = (shape: readonly number[]) => Math.ceil((4 * sizeOf(shape)) / line) * line
  const bytes = shapes.reduce((sum, shape) => sum + lined(shape), 0)
  const memory = new Resizable(bytes, { maxByteLength: bytes })
  let offset = 0
  const tensors = shapes.map((shape): Tensor => {
    const data = new Float32Array(memory, offset, sizeOf(shape))
    offset += lined(shape)
    return { shape, data }
  })
  return { memory, tensors }
}
