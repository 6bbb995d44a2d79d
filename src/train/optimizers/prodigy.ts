import { type MakeOptimizer, zerosLike } from './optimizer.ts'

export interface ProdigyOptions {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
  /** Weight decay apart from the gradient, as in AdamW. */
  readonly decouple: boolean
  /** First estimate of the distance. */
  readonly d0: number
  readonly dCoef: number
  readonly useBiasCorrection: boolean
  /** The estimate is not scaled by the learning rate's warm-up. */
  readonly safeguardWarmup: boolean
}

/**
 * Prodigy (Mishchenko and Defazio 2023): Adam that estimates its own step size d, a lower bound of the distance from
 * the start to the solution, from how far gradients have pointed away from the start. Set the learning rate to 1.
 */
export const prodigy: MakeOptimizer<ProdigyOptions> = (parameters, options = {}) => {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decouple = true, d0 = 1e-6 } = options
  const { dCoef = 1, useBiasCorrection = false, safeguardWarmup = false } = options
  const beta3 = Math.sqrt(beta2)
  const tensors = new Map<string, Float32Array>()
  const means = zerosLike(tensors, 'mean', parameters)
  const squares = zerosLike(tensors, 'square', parameters)
  const sums = zerosLike(tensors, 'sum', parameters)
  const starts = parameters.map(({ data }, index) => {
    const start = data.slice()
    tensors.set(`start.${index}`, start)
    return start
  })
  const numbers = { steps: 0, d: d0, dMax: d0, numerator: 0 }

  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      const t = numbers.steps + 1
      const correction = useBiasCorrection ? Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) : 1
      // One d serves all parameters, so the rate it is estimated with is the largest of the groups'.
      const rate = learningRates.reduce((largest, r) => Math.max(largest, r), 0)
      const { d } = numbers
      const dRate = d * rate * correction
      if (rate === 0) {
        numbers.steps = t
        return
      }

      let inner = 0
      let norm = 0
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, m, v, s, start] = [gradients[index]!, means[index]!, squares[index]!, sums[index]!, starts[index]!]
        const isActive = learningRates[index]! > 0
        for (let i = 0; isActive && i < p.length; i++) {
          const gi = decouple ? g[i]! : g[i]! + weightDecay * p[i]!
          inner += gi * (start[i]! - p[i]!)
          m[i] = beta1 * m[i]! + d * (1 - beta1) * gi
          v[i] = beta2 * v[i]! + d * d * (1 - beta2) * gi * gi
          s[i] = beta3 * s[i]! + (d / d0) * (safeguardWarmup ? d : dRate) * gi
          norm += Math.abs(s[i]!)
        }
      }
      numbers.numerator = beta3 * numbers.numerator + (d / d0) * dRate * inner
      if (norm === 0) return

      numbers.dMax = Math.max(numbers.dMax, (dCoef * numbers.numerator) / norm)
      numbers.d = Math.max(d, numbers.dMax)
      for (const [index, { data: p }] of parameters.entries()) {
        const [m, v] = [means[index]!, squares[index]!]
        const isActive = learningRates[index]! > 0
        for (let i = 0; isActive && i < p.length; i++) {
          // Two roundings, as the estimate of d hangs on the last bits of start − p.
          if (decouple) p[i] = p[i]! * (1 - weightDecay * dRate)
          p[i] = p[i]! - (dRate * m[i]!) / (Math.sqrt(v[i]!) + numbers.d * epsilon)
        }
      }
      numbers.steps = t
    },
  }
}
