import { type AdamWOptions, adamw } from './adamw.ts'
import { type MakeOptimizer, zerosLike } from './optimizer.ts'

/** Adam (Kingma and Ba 2015); weight decay joins the gradient. */
export const adam: MakeOptimizer<AdamWOptions> = (parameters, options = {}) => {
  const { weightDecay = 0 } = options
  const inner = adamw(parameters, { ...options, weightDecay: 0 })
  return {
    state: inner.state,
    step(gradients, learningRates) {
      const decayed = parameters.map(({ data: p }, index) => gradients[index]!.map((gi, i) => gi + weightDecay * p[i]!))
      inner.step(decayed, learningRates)
    },
  }
}

export interface RmspropOptions {
  /** Share of the old mean square that a step keeps. */
  readonly smoothing: number
  readonly epsilon: number
  readonly weightDecay: number
}

/** Gradients over the root of their running mean square (Tieleman and Hinton 2012). */
export const rmsprop: MakeOptimizer<RmspropOptions> = (parameters, options = {}) => {
  const { smoothing = 0.99, epsilon = 1e-8, weightDecay = 0 } = options
  const tensors = new Map<string, Float32Array>()
  const squares = zerosLike(tensors, 'square', parameters)
  return {
    state: { tensors, numbers: {} },
    step(gradients, learningRates) {
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, v, rate] = [gradients[index]!, squares[index]!, learningRates[index]!]
        for (let i = 0; i < p.length; i++) {
          const gi = g[i]! + weightDecay * p[i]!
          v[i] = smoothing * v[i]! + (1 - smoothing) * gi * gi
          p[i] = p[i]! - (rate * gi) / (Math.sqrt(v[i]!) + epsilon)
        }
      }
    },
  }
}
