import { toOnnx } from '../graph/onnx.ts'
import { simplify } from '../graph/simplify.ts'
import type { Graph } from '../graph/value.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { blockConvs } from './blockConvs.ts'
import { blockSize } from './blockSize.ts'
import { fixedFirst, hoist } from './hoist.ts'
import { narrowProducts } from './narrow.ts'
import { type NativeSession, openNative } from './native.ts'
import { type Open, PackedGraph, packedBytes } from './packedGraph.ts'
import { isWorthPacking } from './policy.ts'
import type { Compile, Feed, Residence } from './session.ts'
import { weightFiles } from './weightFiles.ts'

/** Makes a graph ready to run on the CPU. */
export const compile: Compile = async (graph, { residence, threads }) => {
  const resident = new ResidentGraph(await lower(graph), residence, (part) => openGraph(part, threads))
  await resident.open()

  // Runs and changes of residence, one after the other.
  let last: Promise<unknown> = Promise.resolve()
  const next = <T>(work: () => T | Promise<T>): Promise<T> => {
    const result = last.then(work, work)
    last = result
    return result
  }
  return {
    inputs: graph.inputs.map(({ source }) => (source.kind === 'input' ? source.name : '')),
    outputs: [...graph.outputs.keys()],
    run: (feeds) => next(() => resident.run(feeds)),
    trim: (bytes) => next(() => resident.trim(bytes)),
    dispose: () => next(() => resident.dispose()),
  }
}

/** The graph as the runtime runs it fastest. */
async function lower(graph: Graph): Promise<Graph> {
  const narrow = narrowProducts(graph)
  const hasConvs = graph.nodes.some(({ op }) => op === 'Conv')
  const block = hasConvs ? await blockSize() : 1
  return simplify(block > 1 ? blockConvs(narrow, block) : narrow)
}

async function openGraph(graph: Graph, threads: number): Promise<NativeSession> {
  const files = weightFiles(graph)
  const session = await openNative(toOnnx(graph, files.place), { threads, folder: files.folder })
  return {
    ...session,
    run(feeds, into) {
      files.check()
      return session.run(feeds, into)
    },
  }
}

/** A session whose weights are mapped or packed, and may change from the one to the other between runs. */
class ResidentGraph {
  readonly #graph: Graph
  readonly #residence: Residence
  readonly #open: Open
  readonly #packedBytes: number
  #runs = 0
  #mapped: NativeSession | undefined
  #packed: PackedGraph | undefined

  constructor(graph: Graph, residence: Residence, open: Open) {
    this.#graph = graph
    this.#residence = residence
    this.#open = open
    this.#packedBytes = residence === 'auto' ? packedBytes(graph) : 0
  }

  async open(): Promise<void> {
    if (this.#residence === 'packed') await this.#pack()
    else this.#mapped = await this.#open(fixedFirst(this.#graph))
  }

  async run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Tensor>> {
    const isUndecided = this.#residence === 'auto' && !this.#packed
    if (isUndecided && isWorthPacking({ runs: this.#runs, packedBytes: this.#packedBytes })) await this.#pack()
    this.#runs++
    if (this.#packed) return this.#packed.run(feeds)
    if (!this.#mapped) throw new Error('internal: a session is used after its end')
    return this.#mapped.run(feeds)
  }

  trim(bytes: number): number {
    return this.#packed?.trim(bytes) ?? 0
  }

  async dispose(): Promise<void> {
    await this.#mapped?.dispose()
    await this.#packed?.dispose()
    this.#mapped = undefined
    this.#packed = undefined
  }

  async #pack(): Promise<void> {
    // First, because both at once would hold the weights twice.
    await this.#mapped?.dispose()
    this.#mapped = undefined
    this.#packed = await PackedGraph.open(hoist(this.#graph), this.#open)
  }
}
