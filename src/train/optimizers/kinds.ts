import type { Tensor } from '../../tensor/tensor.ts'
import { adafactor } from './adafactor.ts'
import { adamw } from './adamw.ts'
import { lion } from './lion.ts'
import type { Optimizer } from './optimizer.ts'
import { prodigy } from './prodigy.ts'
import { sgdNesterov } from './sgdNesterov.ts'

/** The rules that whole models are trained with. */
export const optimizerKinds = ['adamw', 'lion', 'sgd-nesterov', 'adafactor', 'prodigy'] as const

export interface OptimizerChoice {
  readonly kind: (typeof optimizerKinds)[number]
  readonly weightDecay: number
  readonly beta2?: number | undefined
}

/** The optimizer of a kind for these parameters, whose learning rates are those of the run's schedule. */
export function optimizerOf({ kind, weightDecay, beta2 }: OptimizerChoice, parameters: readonly Tensor[]): Optimizer {
  const decayed = { weightDecay, ...(beta2 !== undefined && { beta2 }) }
  switch (kind) {
    case 'adamw':
      return adamw(parameters, decayed)
    case 'lion':
      return lion(parameters, decayed)
    case 'sgd-nesterov':
      return sgdNesterov(parameters, { weightDecay })
    case 'adafactor':
      return adafactor(parameters, { weightDecay, relativeStep: false })
    case 'prodigy':
      return prodigy(parameters, decayed)
  }
}
