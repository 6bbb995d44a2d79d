import type { Network } from './network.ts'

/** A network as a prompt asks for it. Networks apply in the order of the prompt. */
export interface NetworkUse {
  readonly network: Network
  /** Strength on the text encoder: one number, or one for each row of the batch. */
  readonly text: Strength
  /** Strength on the UNet. */
  readonly unet: Strength
  /** Low-rank layers keep their first `dyn` ranks; undefined keeps all. */
  readonly dyn?: number
  /** Strength of each block of the UNet, and of the text encoder, times the above. */
  readonly blocks?: BlockWeights
}

export type Strength = number | readonly number[]

/** Factors by block: `BASE` (text encoder), `IN00` … `IN11`, `M00`, `OUT00` … `OUT11`. A block not named has 0. */
export type BlockWeights = ReadonlyMap<string, number>
