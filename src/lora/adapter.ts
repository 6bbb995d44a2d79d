import type { Tensor } from '../tensor/tensor.ts'

/**
 * What a network file holds for one layer of a model, as float32, in the layer's own dimensions. W is the layer's
 * weight [out, in] or [out, in, kh, kw]; ΔW is what strength 1 adds to it.
 */
export type LayerAdapter = LowRank | Hadamard | Kronecker | Scaling | Difference | Rotation | Butterfly | Glora

/** LoRA (Hu et al. 2021) and LoCon: ΔW = scale · up·down. */
export interface LowRank extends Decomposed {
  readonly family: 'lora'
  /** [rank, in] or [rank, in, kh, kw]; a middle tensor of Tucker form is multiplied in. */
  readonly down: Tensor
  /** [out, rank]. */
  readonly up: Tensor
  /** alpha / rank of the file; 1 where it has no alpha. */
  readonly scale: number
}

/** LoHa (LyCORIS): ΔW = scale · (a₁·b₁ ⊙ a₂·b₂), each b multiplied with its Tucker core where there is one. */
export interface Hadamard extends Decomposed {
  readonly family: 'loha'
  /** [out, rank]. */
  readonly a1: Tensor
  /** [rank, in·kh·kw]. */
  readonly b1: Tensor
  readonly a2: Tensor
  readonly b2: Tensor
  readonly scale: number
}

/** LoKr (LyCORIS): ΔW = scale · w₁ ⊗ w₂. */
export interface Kronecker extends Decomposed {
  readonly family: 'lokr'
  /** [out₁, in₁]. */
  readonly w1: Tensor
  /** [out₂, in₂·kh·kw]. */
  readonly w2: Tensor
  readonly scale: number
}

/** (IA)³ (Liu et al. 2022): ΔW = w ⊙ W, one factor for each output row or input column. */
export interface Scaling {
  readonly family: 'ia3'
  readonly factors: Tensor
  readonly axis: 'out' | 'in'
}

/** Full and norm networks: the differences themselves, of the weight, of the bias, or of both. */
export interface Difference extends Decomposed {
  readonly family: 'full' | 'norm'
  readonly weight: Tensor | undefined
  readonly bias: Tensor | undefined
}

/** OFT (Qiu et al. 2023): W' = R·W, R block-diagonal over output rows. */
export interface Rotation {
  readonly family: 'oft'
  /** [blocks, size, size]; row i of a block's product is Σⱼ R[i, j]·Wⱼ. */
  readonly blocks: Tensor
  /** Factor of each output row. */
  readonly rescale: Tensor | undefined
}

/** BOFT (Liu et al. 2023): a product of block rotations, each over another interleaving of the rows. */
export interface Butterfly {
  readonly family: 'boft'
  /** [stages, blocks, size, size]. */
  readonly stages: Tensor
  readonly rescale: Tensor | undefined
}

/** GLoRA (Chavan et al. 2023): ΔW = scale · (b₁·b₂ + W·a₁·a₂). */
export interface Glora {
  readonly family: 'glora'
  readonly a1: Tensor
  readonly a2: Tensor
  readonly b1: Tensor
  readonly b2: Tensor
  readonly scale: number
}

/** What the families with a ΔW of their own may carry besides. */
interface Decomposed {
  /**
   * DoRA (Liu et al. 2024): the magnitudes which W + ΔW is given, along output rows [out, 1] or input columns [1, in].
   */
  readonly magnitude: Tensor | undefined
}
