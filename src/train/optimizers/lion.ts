import { type MakeOptimizer, zerosLike } from './optimizer.ts'

export interface LionOptions {
  readonly beta1: number
  readonly beta2: number
  readonly weightDecay: number
}

/** Lion (Chen et al. 2023): steps of equal size along the sign of an average of the gradient. */
export const lion: MakeOptimizer<LionOptions> = (parameters, options = {}) => {
  const { beta1 = 0.9, beta2 = 0.99, weightDecay = 0 } = options
  const tensors = new Map<string, Float32Array>()
  const means = zerosLike(tensors, 'mean', parameters)
  return {
    state: { tensors, numbers: {} },
    step(gradients, learningRates) {
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, m, rate] = [gradients[index]!, means[index]!, learningRates[index]!]
        const kept = 1 - rate * weightDecay
        for (let i = 0; i < p.length; i++) {
          p[i] = p[i]! * kept - rate * Math.sign(beta1 * m[i]! + (1 - beta1) * g[i]!)
          m[i] = beta2 * m[i]! + (1 - beta2) * g[i]!
        }
      }
    },
  }
}
