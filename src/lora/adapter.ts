import type { Tensor } from '../tensor/tensor.ts'
import type { Matrix } from './matrix.ts'

/**
 * What a network file holds for one layer of a model, as float32 and fitted to that layer. Every matrix has two
 * dimensions: W, the layer's weight, is seen as [out, columns] with columns = in·kh·kw. ΔW is what strength 1 adds.
 */
export type LayerAdapter = LowRank | Hadamard | Kronecker | Scaling | Difference | Rotation | Butterfly | Glora

/**
 * LoRA (Hu et al. 2021) and LoCon: ΔWᵀ = scale · down·up. Both matrices lie as the rows of x multiply them, so that a
 * graph can be fed without another pass over their numbers.
 */
export interface LowRank {
  readonly family: 'lora'
  /** [columns, rank]; a middle tensor of the Tucker form is multiplied in. */
  readonly down: Matrix
  /** [rank, out]. */
  readonly up: Matrix
  /** alpha / rank of the file; 1 where it has no alpha. */
  readonly scale: number
  readonly magnitude?: Magnitude
}

/** LoHa (LyCORIS): ΔW = scale · (a₁·b₁ ⊙ a₂·b₂); Tucker cores are multiplied into b. */
interface Hadamard {
  readonly family: 'loha'
  /** [out, rank]. */
  readonly a1: Matrix
  /** [rank, columns]. */
  readonly b1: Matrix
  readonly a2: Matrix
  readonly b2: Matrix
  readonly scale: number
  readonly magnitude?: Magnitude
}

/** LoKr (LyCORIS): ΔW = scale · w₁ ⊗ w₂, whose shapes [out₁, in₁] and [out₂, columns₂] multiply to W's. */
interface Kronecker {
  readonly family: 'lokr'
  readonly w1: Matrix
  readonly w2: Matrix
  readonly scale: number
  readonly magnitude?: Magnitude
}

/** (IA)³ (Liu et al. 2022): ΔW = factors ⊙ W, [out, 1] or [1, columns]. */
interface Scaling {
  readonly family: 'ia3'
  readonly factors: Matrix
}

/** Full networks and those of norms: the differences themselves, of the weight, of the bias, or of both. */
export interface Difference {
  readonly family: 'full' | 'norm'
  readonly weight?: Matrix
  readonly bias?: Matrix
  readonly magnitude?: Magnitude
}

/** OFT (Qiu et al. 2023): W + ΔW = R·W, R block-diagonal. */
interface Rotation {
  readonly family: 'oft'
  /** [blocks, size, size]. */
  readonly blocks: Tensor
  /** A last factor of each row, [out, 1]. */
  readonly rescale?: Matrix
}

/** BOFT (Liu et al. 2023): R is a product of such rotations, each over another interleaving of the rows. */
export interface Butterfly {
  readonly family: 'boft'
  /** [stages, blocks, size, size]. */
  readonly stages: Tensor
  readonly rescale?: Matrix
}

/** GLoRA (Chavan et al. 2023): ΔW = scale · (b·d + W·a·c). */
export interface Glora {
  readonly family: 'glora'
  /** [columns, rank] and [rank, columns]: what is added to the identity on the right of W. */
  readonly a: Matrix
  readonly c: Matrix
  /** [out, rank] and [rank, columns]. */
  readonly b: Matrix
  readonly d: Matrix
  readonly scale: number
}

/** DoRA (Liu et al. 2024): the lengths which the rows [out, 1] or input channels [1, in] of W + ΔW are brought to. */
export type Magnitude = Matrix
