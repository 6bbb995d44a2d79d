import type { Graph } from '../graph/value.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Feed } from './feed.ts'
import type { WeightStore } from './weightStore.ts'

export type { Feed } from './feed.ts'

/**
 * Where a session has its weights. `mapped`: in the user's file, from which every run converts them anew. `packed`: in
 * memory, in the form and order the processor wants. `auto`: mapped until they are worth packing (`policy.ts`). All
 * compute the same numbers, to the bit.
 */
export type Residence = 'mapped' | 'packed' | 'auto'

export interface CompileOptions {
  readonly residence: Residence
  /** Threads inside one operator. */
  readonly threads: number
  /** Whether runs occupy a thread of their own rather than the caller's, so that several sessions compute at once. */
  readonly isAside?: boolean
  /** Where packed weights are kept for all sessions that use them; one of its own unless given. */
  readonly store?: WeightStore
  readonly cacheDir?: string
}

/** A graph made ready to run: the only thing above this floor that stands for the native runtime. */
export interface Session {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Runs the graph once. Every graph input must be fed; every graph output comes back as float32. */
  run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Tensor>>
  /** Frees native memory; the session must not be used afterwards. */
  dispose(): Promise<void>
}

/** Makes a graph ready to run on the CPU. Weights stay in the user's files until the runtime asks for them. */
export type Compile = (graph: Graph, options: CompileOptions) => Promise<Session>
