import { reshape } from '../graph/ops.ts'
import type { Graph, Value } from '../graph/value.ts'
import type { StandIn, WeightSource } from '../nn/scope.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** What is trained, by the checkpoint's names. Optimizers change the numbers in place. */
export type Parameters = ReadonlyMap<string, Tensor>

/** The parameters that a graph asked for while it was built, each an input of the same name. */
export type ParameterInputs = ReadonlyMap<string, Value>

/**
 * Makes weights inputs of the graph, and remembers which. `shapeOf` tells the shape in which a parameter is kept, which
 * may differ from the one a layer asks for in trailing ones, or undefined for a weight that stays as it is.
 */
export function parameterInputs(
  graph: Graph,
  shapeOf: (path: string, asked: readonly number[]) => readonly number[] | undefined = (_, asked) => asked,
): { readonly standIn: StandIn; readonly inputs: ParameterInputs } {
  const inputs = new Map<string, Value>()
  return {
    inputs,
    standIn(path, asked) {
      const shape = shapeOf(path, asked)
      const input = inputs.get(path) ?? (shape && graph.input(path, shape))
      if (!input) return undefined
      inputs.set(path, input)
      return reshape(input, asked)
    },
  }
}

/** A checkpoint with nothing in it, for graphs of which every weight is trained. */
export const noWeights: WeightSource = { get: () => undefined }
