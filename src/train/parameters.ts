import type { Graph, Value } from '../graph/value.ts'
import type { StandIn, WeightSource } from '../nn/scope.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** What is trained, by the checkpoint's names. Optimizers change the numbers in place. */
export type Parameters = ReadonlyMap<string, Tensor>

/** The parameters that a graph asked for while it was built, each an input of the same name. */
export type ParameterInputs = ReadonlyMap<string, Value>

/** Makes every weight whose path `isTrained` an input of the graph, and remembers which. */
export function parameterInputs(
  graph: Graph,
  isTrained: (path: string) => boolean = () => true,
): { readonly standIn: StandIn; readonly inputs: ParameterInputs } {
  const inputs = new Map<string, Value>()
  return {
    inputs,
    standIn(path, shape) {
      const known = inputs.get(path)
      if (known || !isTrained(path)) return known
      const input = graph.input(path, shape)
      inputs.set(path, input)
      return input
    },
  }
}

/** A checkpoint with nothing in it, for graphs of which every weight is trained. */
export const noWeights: WeightSource = { get: () => undefined }
