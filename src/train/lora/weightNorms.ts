import { asMatrix, multiply } from '../../lora/matrix.ts'
import { sizeOf } from '../../tensor/shape.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { type TrainedModule, tensorName } from './network.ts'

/** What was measured while lengths were limited. */
export interface WeightNorms {
  /** Modules that were shortened. */
  readonly scaled: number
  readonly mean: number
  readonly largest: number
}

/** Shortens the change of every low-rank module to a Frobenius norm, both its matrices by the same factor, in place. */
export function limitWeightNorms(
  modules: readonly TrainedModule[],
  network: ReadonlyMap<string, Tensor>,
  limit: number,
): WeightNorms {
  let [scaled, sum, largest] = [0, 0, 0]
  for (const module of modules) {
    const { rank, scale, layer } = module
    const tensorOf = (name: string) =>
      network.get(tensorName(module, module.parts.find((part) => part.name === name)!))!
    const [down, up] = [tensorOf('lora_down.weight'), tensorOf('lora_up.weight')]
    const change = multiply(
      asMatrix(up, layer.shape[0]!),
      asMatrix({ shape: [sizeOf(down.shape)], data: down.data }, rank),
    )
    const norm = Math.sqrt(change.data.reduce((squares, x) => squares + x * x, 0)) * Math.abs(scale)
    const ratio = norm > limit ? limit / norm : 1
    if (ratio < 1) {
      scaled++
      for (const { data } of [down, up]) for (let i = 0; i < data.length; i++) data[i] = data[i]! * Math.sqrt(ratio)
    }
    sum += norm * ratio
    largest = Math.max(largest, norm * ratio)
  }
  return { scaled, mean: sum / modules.length, largest }
}
