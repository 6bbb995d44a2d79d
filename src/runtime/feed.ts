import type { Tensor } from '../tensor/tensor.ts'

/** What a session takes for one input: a float tensor, or numbers of another element type with their shape. */
export type Feed = Tensor | TypedFeed

export interface TypedFeed {
  readonly shape: readonly number[]
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array
}
