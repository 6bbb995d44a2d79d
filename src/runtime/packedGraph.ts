import type { Graph } from '../graph/value.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Hoisted, hoist, type Piece } from './hoist.ts'
import type { NativeSession } from './native.ts'
import type { Feed } from './session.ts'

/** Opens a graph whose weights are read where they lie. */
export type Open = (graph: Graph) => Promise<NativeSession>

/** A graph whose weights have been computed into memory of ours, from where every run is fed them. */
export class PackedGraph {
  readonly #body: NativeSession
  readonly #pieces: readonly PackedPiece[]

  private constructor(body: NativeSession, pieces: readonly PackedPiece[]) {
    this.#body = body
    this.#pieces = pieces
  }

  static async open({ pieces, body }: Hoisted, open: Open): Promise<PackedGraph> {
    return new PackedGraph(
      await open(body),
      pieces.map((piece) => new PackedPiece(piece, open)),
    )
  }

  /** Runs the graph, after computing whichever weights are not in memory. */
  async run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Tensor>> {
    const all: Record<string, Feed> = { ...feeds }
    for (const piece of this.#pieces) Object.assign(all, await piece.weights())
    return this.#body.run(all)
  }

  /** Gives back at least so many bytes, or all there are, and says how many. */
  trim(bytes: number): number {
    let freed = 0
    for (const piece of this.#pieces) if (freed < bytes) freed += piece.forget()
    return freed
  }

  async dispose(): Promise<void> {
    this.trim(Number.POSITIVE_INFINITY)
    await this.#body.dispose()
  }
}

/** Bytes that a graph's weights take when packed. */
export function packedBytes(graph: Graph): number {
  return hoist(graph).pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

class PackedPiece {
  readonly #piece: Piece
  readonly #open: Open
  #memory: ResizableBuffer | undefined
  #weights: Record<string, Tensor> = {}

  constructor(piece: Piece, open: Open) {
    this.#piece = piece
    this.#open = open
  }

  async weights(): Promise<Record<string, Tensor>> {
    if (this.#memory) return this.#weights
    const { graph, shapes } = this.#piece
    const session = await this.#open(graph)
    try {
      const { memory, tensors } = room(shapes)
      await session.run({}, tensors)
      this.#memory = memory
      this.#weights = tensors
    } finally {
      await session.dispose()
    }
    return this.#weights
  }

  forget(): number {
    const bytes = this.#memory?.byteLength ?? 0
    this.#memory?.resize(0)
    this.#memory = undefined
    this.#weights = {}
    return bytes
  }
}

/** An ArrayBuffer that gives its pages back at once when it shrinks, where another waits for the garbage collector. */
type ResizableBuffer = ArrayBuffer & { resize(bytes: number): void }
// In Node since 20, in TypeScript's library since ES2024.
const Resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ResizableBuffer

/** Memory for tensors of these shapes, each on a cache line of its own. */
function room(shapes: ReadonlyMap<string, readonly number[]>): {
  memory: ResizableBuffer
  tensors: Record<string, Tensor>
} {
  const line = 64
  const lined = (bytes: number) => Math.ceil(bytes / line) * line
  const bytes = [...shapes.values()].reduce((sum, shape) => sum + lined(4 * sizeOf(shape)), 0)
  const memory = new Resizable(bytes, { maxByteLength: bytes })
  const tensors: Record<string, Tensor> = {}
  let offset = 0
  for (const [name, shape] of shapes) {
    tensors[name] = { shape, data: new Float32Array(memory, offset, sizeOf(shape)) }
    offset += lined(4 * sizeOf(shape))
  }
  return { memory, tensors }
}
