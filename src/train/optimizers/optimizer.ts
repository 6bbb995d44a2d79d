import type { Tensor } from '../../tensor/tensor.ts'

/**
 * A rule that moves parameters against their gradients. It owns no parameters: `step` changes the numbers of those
 * it was made for, in place, and keeps its memory of past gradients in `state`.
 */
export interface Optimizer {
  /**
   * One step. `gradients` and `learningRates` follow the order of the parameters; a rate of 0 leaves the parameter
   * where it is.
   */
  step(gradients: readonly Float32Array[], learningRates: readonly number[]): void
  /** The parameters to use outside of training, where they differ from those that gradients are taken at. */
  evaluated?(): readonly Float32Array[]
  /** Everything the next step depends on, by reference: writing to it restores an earlier state. */
  readonly state: OptimizerState
}

export interface OptimizerState {
  /** Memory of the size of a parameter or a part of it, named `<what>.<index>`. */
  readonly tensors: ReadonlyMap<string, Float32Array>
  /** Counters and estimates. */
  readonly numbers: Record<string, number>
}

/** Makes an optimizer for these parameters. */
export type MakeOptimizer<Options> = (parameters: readonly Tensor[], options?: Partial<Options>) => Optimizer

/** A zeroed array for each parameter, registered under a name. */
export function zerosLike(
  tensors: Map<string, Float32Array>,
  name: string,
  parameters: readonly Tensor[],
): readonly Float32Array[] {
  return parameters.map(({ data }, index) => {
    const zeros = new Float32Array(data.length)
    tensors.set(`${name}.${index}`, zeros)
    return zeros
  })
}
