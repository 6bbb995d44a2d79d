import { StudioError } from '../errors.ts'
import type { WeightEntry } from '../files/weights.ts'
import { shapeText } from '../graph/dim.ts'
import { cast } from '../graph/ops.ts'
import type { Graph, Value } from '../graph/value.ts'
import type { ElementType, ValueType } from '../graph/valueType.ts'
import type { DType } from '../tensor/dtype.ts'
import { sameButTrailingOnes } from '../tensor/shape.ts'
import { type Emit, float32Emit } from './emit.ts'

/** A linear or convolution layer, to which something may be attached. */
export interface LayerSite {
  /** The checkpoint's path of the layer, without `.weight`. */
  readonly path: string
  readonly kind: 'linear' | 'conv'
  /** [out, in], or [out, in, kernel, kernel]. */
  readonly weightShape: readonly number[]
  readonly stride: number
  readonly padding: number
}

/** Called for every linear and convolution with its input and output; returns what takes the output's place. */
export type Adapter = (site: LayerSite, x: Value, y: Value) => Value

/** The checkpoint, by the names models ask for; a map of entries is one. */
export interface WeightSource {
  get(name: string, shape: readonly number[]): WeightEntry | undefined
}

/** A value that takes the place of a weight, such as an input that is fed while it is being trained. */
export type StandIn = (path: string, shape: readonly number[]) => Value | undefined

export interface ScopeOptions {
  readonly graph: Graph
  readonly weights: WeightSource
  readonly emit?: Emit
  readonly adapter?: Adapter
  readonly standIn?: StandIn
}

/**
 * A place in a checkpoint: a path which prefixes the names of weights, and what layers need beside their inputs.
 * Weights are found by the path that asks for them, so a model's source reads as the checkpoint's table of contents.
 */
export class Scope {
  readonly path: string
  readonly graph: Graph
  readonly emit: Emit
  readonly adapter: Adapter | undefined
  readonly #options: ScopeOptions

  constructor(options: ScopeOptions, path = '') {
    this.path = path
    this.graph = options.graph
    this.emit = options.emit ?? float32Emit
    this.adapter = options.adapter
    this.#options = options
  }

  /** The place `name` below this one. */
  at(name: string | number): Scope {
    return new Scope(this.#options, this.#join(`${name}`))
  }

  /** The same place with another way of writing the graph. */
  with(emit: Partial<Emit>): Scope {
    return new Scope({ ...this.#options, emit: { ...this.emit, ...emit } }, this.path)
  }

  /**
   * A tensor of the checkpoint as float32, of exactly this shape but for trailing dimensions of 1. `x` is what the
   * shape follows from, if anything, for the message when the checkpoint has another.
   */
  weight(name: string, shape: readonly number[], x?: ValueType): Value {
    return cast(this.stored(name, shape, x), 'float32')
  }

  /** The same in the element type it enters with, for tables of which only some rows are worth a cast. */
  stored(name: string, shape: readonly number[], x?: ValueType): Value {
    const path = this.#join(name)
    return this.#options.standIn?.(path, shape) ?? this.#weight(path, this.#entry(path, shape, x), shape)
  }

  /** A table of which only some rows are in the file: these, and where each row is among them. */
  sparse(name: string, shape: readonly number[]): { readonly stored: Value; readonly places: Int32Array } | undefined {
    const path = this.#join(name)
    if (this.#options.standIn?.(path, shape)) return undefined
    const { sparse } = this.#entry(path, shape)
    if (!sparse || sparse.stored.shape[0] === 0) return undefined
    const { stored } = sparse
    return { stored: this.#weight(stored.name, stored, stored.shape), places: sparse.places() }
  }

  #entry(path: string, shape: readonly number[], x?: ValueType): WeightEntry {
    const entry = this.#options.weights.get(path, shape)
    const expected = x ? `${shapeText(shape)}, as x is ${shapeText(x.shape)}` : shapeText(shape)
    if (!entry) {
      throw new StudioError('wrong-architecture', `${path}: missing, expected ${expected}`, { field: path })
    }
    // A 1×1 convolution and a linear layer hold the same numbers; checkpoints differ in which one they wrote.
    if (!sameButTrailingOnes(entry.shape, shape)) {
      const found = shapeText(entry.shape)
      throw new StudioError('wrong-architecture', `${path}: is ${found}, expected ${expected}`, { field: path })
    }
    return entry
  }

  #weight(path: string, entry: WeightEntry, shape: readonly number[]): Value {
    const type = this.emit.weights === 'stored' ? elementTypes[entry.dtype] : 'float32'
    return this.graph.weight(path, entry, type, shape)
  }

  #join(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }
}

const elementTypes: Readonly<Record<DType, ElementType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F8_E4M3: 'float8e4m3fn',
  F8_E5M2: 'float8e5m2',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
}
