import { type MakeOptimizer, zerosLike } from './optimizer.ts'

export interface AdamWOptions {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
}

/**
 * Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019): the parameter shrinks by
 * η·λ, then moves by η·m̂/(√v̂ + ε), m̂ and v̂ being bias-corrected averages of g and g².
 */
export const adamw: MakeOptimizer<AdamWOptions> = (parameters, options = {}) => {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 } = options
  const tensors = new Map<string, Float32Array>()
  const means = zerosLike(tensors, 'mean', parameters)
  const squares = zerosLike(tensors, 'square', parameters)
  const numbers = { steps: 0 }
  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      numbers.steps++
      const correction1 = 1 - beta1 ** numbers.steps
      const root2 = Math.sqrt(1 - beta2 ** numbers.steps)
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, m, v, rate] = [gradients[index]!, means[index]!, squares[index]!, learningRates[index]!]
        const stepSize = rate / correction1
        const kept = 1 - rate * weightDecay
        for (let i = 0; i < p.length; i++) {
          const gi = g[i]!
          const mi = beta1 * m[i]! + (1 - beta1) * gi
          const vi = beta2 * v[i]! + (1 - beta2) * gi * gi
          m[i] = mi
          v[i] = vi
          p[i] = p[i]! * kept - (stepSize * mi) / (Math.sqrt(vi) / root2 + epsilon)
        }
      }
    },
  }
}
