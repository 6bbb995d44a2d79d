import { toOnnx } from '../graph/onnx.ts'
import { simplify } from '../graph/simplify.ts'
import type { Graph, Node } from '../graph/value.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { activationBytes } from './activations.ts'
import { blockConvs } from './blockConvs.ts'
import { blockSize } from './blockSize.ts'
import { fixedFirst, hoist } from './hoist.ts'
import { narrowProducts } from './narrow.ts'
import { type NativeSession, openNative } from './native.ts'
import { openThread } from './openThread.ts'
import { isWorthPacking } from './policy.ts'
import { resultsLast, runOrder } from './runOrder.ts'
import type { Compile, CompileOptions, Feed, Residence } from './session.ts'
import { splitSums } from './splitSums.ts'
import { weightFiles } from './weightFiles.ts'
import { type Open, type Wanted, WeightStore } from './weightStore.ts'

/** Makes a graph ready to run on the CPU. */
export const compile: Compile = async (graph, options) => {
  const resident = new ResidentGraph(await lower(graph), options)
  await resident.open()

  // Runs and changes of residence, one after the other.
  let last: Promise<unknown> = Promise.resolve()
  const next = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work)
    last = result
    return result
  }
  return {
    inputs: graph.inputs.map(({ source }) => (source.kind === 'input' ? source.name : '')),
    outputs: [...graph.outputs.keys()],
    run: (feeds) => next(() => resident.run(feeds)),
    dispose: () => next(() => resident.dispose()),
  }
}

/** The graph as the runtime runs it fastest. */
async function lower(graph: Graph): Promise<Graph> {
  const narrow = splitSums(narrowProducts(graph))
  const hasConvs = graph.nodes.some(({ op }) => op === 'Conv')
  const block = hasConvs ? await blockSize() : 1
  return simplify(block > 1 ? blockConvs(narrow, block) : narrow)
}

async function openGraph(graph: Graph, threads: number, isAside: boolean): Promise<NativeSession> {
  const files = weightFiles(graph)
  const open = isAside ? openThread : openNative
  const session = await open(toOnnx(graph, files.place, resultsLast(graph)), { threads, folder: files.folder })
  return {
    ...session,
    run(feeds, into) {
      files.check()
      return session.run(feeds, into)
    },
  }
}

/** What a packed graph is fed beside its inputs. */
interface PackedInputs {
  /** Keys of the store by the names of inputs. */
  readonly keys: ReadonlyMap<string, string>
  readonly wanted: Wanted
}

/** A graph whose weights are mapped or packed, and may change from the one to the other between runs. */
class ResidentGraph {
  readonly #graph: Graph
  readonly #order: readonly Node[]
  readonly #body: Graph
  readonly #inputs: PackedInputs
  readonly #residence: Residence
  readonly #store: WeightStore
  readonly #open: Open
  readonly #threads: number
  #runs = 0
  #isPacked = false
  #isOver = false
  #session: NativeSession | undefined

  constructor(graph: Graph, { residence, threads, isAside = false, store = new WeightStore() }: CompileOptions) {
    const { body, fixed } = hoist(graph)
    const keys = new Map([...fixed].map(([name, value]) => [name, store.keyOf(value)]))
    this.#graph = graph
    this.#order = runOrder(graph)
    this.#body = body
    this.#inputs = { keys, wanted: new Map([...fixed].map(([name, value]) => [keys.get(name)!, value])) }
    this.#residence = residence
    this.#store = store
    this.#threads = threads
    this.#open = (part) => openGraph(part, threads, isAside)
  }

  async open(): Promise<void> {
    if (this.#isPackingDue()) await this.#pack()
    else this.#session = await this.#open(fixedFirst(this.#graph))
  }

  async run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Tensor>> {
    if (this.#isOver) throw new Error('internal: a session is used after its end')
    if (this.#isPackingDue()) await this.#pack()
    this.#runs++
    const activations = (4 / 3) * activationBytes(this.#graph, feeds, this.#order)
    if (this.#isPacked) return this.#session!.run({ ...feeds, ...(await this.#weights(activations)) })

    this.#store.wake(this)
    await this.#store.makeRoom(activations)
    this.#session ??= await this.#open(fixedFirst(this.#graph))
    const results = await this.#session.run(feeds)
    this.#store.idle(this, () => this.#close())
    return results
  }

  async dispose(): Promise<void> {
    this.#isOver = true
    this.#store.leave(this)
    await this.#close()
  }

  async #close(): Promise<void> {
    await this.#session?.dispose()
    this.#session = undefined
  }

  #isPackingDue(): boolean {
    if (this.#isPacked || this.#residence === 'mapped') return false
    const { wanted } = this.#inputs
    return this.#residence === 'packed' || isWorthPacking(this.#store.bytesOf(wanted), this.#runs)
  }

  async #pack(): Promise<void> {
    // The mapped session goes first: both at once would hold the weights twice.
    this.#store.wake(this)
    await this.#close()
    this.#session = await this.#open(this.#body)
    this.#store.enter(this, this.#inputs.wanted)
    this.#isPacked = true
  }

  async #weights(activations: number): Promise<Record<string, Feed>> {
    const { keys, wanted } = this.#inputs
    const { missing } = this.#store.bytesOf(wanted)
    if (missing > 0) await this.#store.makeRoom(missing + activations, wanted)
    const numbers = await this.#store.numbers(wanted, (part) => openGraph(part, this.#threads, false))
    return Object.fromEntries([...keys].map(([name, key]) => [name, numbers.get(key)!]))
  }
}
