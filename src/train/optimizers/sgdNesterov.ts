import { type MakeOptimizer, zerosLike } from './optimizer.ts'

export interface SgdNesterovOptions {
  readonly momentum: number
  readonly weightDecay: number
}

/** Stochastic gradient descent with Nesterov momentum (Sutskever et al. 2013); weight decay joins the gradient. */
export const sgdNesterov: MakeOptimizer<SgdNesterovOptions> = (parameters, options = {}) => {
  const { momentum = 0.9, weightDecay = 0 } = options
  const tensors = new Map<string, Float32Array>()
  const velocities = zerosLike(tensors, 'velocity', parameters)
  return {
    state: { tensors, numbers: {} },
    step(gradients, learningRates) {
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, velocity, rate] = [gradients[index]!, velocities[index]!, learningRates[index]!]
        for (let i = 0; i < p.length; i++) {
          const gi = g[i]! + weightDecay * p[i]!
          velocity[i] = momentum * velocity[i]! + gi
          p[i] = p[i]! - rate * (gi + momentum * velocity[i]!)
        }
      }
    },
  }
}
