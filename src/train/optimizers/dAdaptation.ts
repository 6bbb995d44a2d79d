import type { Tensor } from '../../tensor/tensor.ts'
import { type MakeOptimizer, zerosLike } from './optimizer.ts'

/*
 * D-Adaptation (Defazio and Mishchenko 2023): optimizers that estimate their own step size d, a lower bound of the
 * distance from the start to the solution, which never shrinks. Set the learning rate to 1.
 */

interface CommonOptions {
  readonly weightDecay: number
  /** First estimate of the distance. */
  readonly d0: number
  /** How much the estimate may grow in one step. */
  readonly growthRate: number
}

export interface DAdaptAdamOptions extends CommonOptions {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** Weight decay apart from the gradient, as in AdamW. */
  readonly decouple: boolean
  readonly useBiasCorrection: boolean
}

/** D-Adapted Adam: d from the inner products of gradients with their weighted sum, over that sum's 1-norm. */
export const dAdaptAdam: MakeOptimizer<DAdaptAdamOptions> = (parameters, options = {}) => {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decouple = false } = options
  const { useBiasCorrection = false } = options
  const rootBeta2 = Math.sqrt(beta2)
  const { tensors, means, squares, sums, d0, growthRate } = begun(parameters, options)
  const numbers = { steps: 0, d: d0, numerator: 0 }
  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      const t = numbers.steps + 1
      const rate = largest(learningRates)
      const correction = useBiasCorrection ? Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) : 1
      const dRate = numbers.d * rate * correction
      let inner = 0
      let norm = 0
      for (const [index, { data: p }] of parameters.entries()) {
        if (learningRates[index] === 0) continue
        const [g, m, v, s] = [gradients[index]!, means[index]!, squares[index]!, sums[index]!]
        for (let i = 0; i < p.length; i++) {
          const gi = decouple ? g[i]! : g[i]! + weightDecay * p[i]!
          inner += (gi * s[i]!) / (Math.sqrt(v[i]!) + epsilon)
          m[i] = beta1 * m[i]! + dRate * (1 - beta1) * gi
          v[i] = beta2 * v[i]! + (1 - beta2) * gi * gi
          s[i] = rootBeta2 * s[i]! + dRate * (1 - rootBeta2) * gi
          norm += Math.abs(s[i]!)
        }
      }
      if (norm === 0) return
      numbers.numerator = rootBeta2 * numbers.numerator + (1 - rootBeta2) * dRate * inner
      grow(numbers, numbers.numerator / ((1 - rootBeta2) * norm), rate, growthRate)
      for (const [index, { data: p }] of parameters.entries()) {
        if (learningRates[index] === 0) continue
        const [m, v] = [means[index]!, squares[index]!]
        const kept = decouple ? 1 - weightDecay * dRate : 1
        for (let i = 0; i < p.length; i++) p[i] = p[i]! * kept - m[i]! / (Math.sqrt(v[i]!) + epsilon)
      }
      numbers.steps = t
    },
  }
}

/** D-Adapted Adam as its preprint had it: d from the weighted squares of the sum less those of the gradients. */
export const dAdaptAdamPreprint: MakeOptimizer<Omit<DAdaptAdamOptions, 'useBiasCorrection'>> = (
  parameters,
  options = {},
) => {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decouple = false } = options
  const { tensors, means, squares, sums, d0, growthRate } = begun(parameters, options)
  const numbers = { steps: 0, d: d0, gradientSquares: 0 }
  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      const rate = largest(learningRates)
      const dRate = numbers.d * rate
      const total = { gradients: 0, sums: 0, norm: 0 }
      for (const [index, { data: p }] of parameters.entries()) {
        if (learningRates[index] === 0) continue
        const [g, m, v, s] = [gradients[index]!, means[index]!, squares[index]!, sums[index]!]
        for (let i = 0; i < p.length; i++) {
          const gi = decouple ? g[i]! : g[i]! + weightDecay * p[i]!
          m[i] = beta1 * m[i]! + dRate * (1 - beta1) * gi
          v[i] = beta2 * v[i]! + (1 - beta2) * gi * gi
          s[i] = beta2 * s[i]! + dRate * (1 - beta2) * gi
          addSquares(total, gi, s[i]!, Math.sqrt(v[i]!) + epsilon)
        }
      }
      if (total.norm === 0) return
      growBySquares(numbers, total, { rate, dRate, beta: beta2, growthRate })
      for (const [index, { data: p }] of parameters.entries()) {
        if (learningRates[index] === 0) continue
        const [m, v] = [means[index]!, squares[index]!]
        const kept = decouple ? 1 - weightDecay * dRate : 1
        for (let i = 0; i < p.length; i++) p[i] = p[i]! * kept - m[i]! / (Math.sqrt(v[i]!) + epsilon)
      }
      numbers.steps++
    },
  }
}

export interface DAdaptAdanOptions extends CommonOptions {
  readonly beta1: number
  readonly beta2: number
  readonly beta3: number
  readonly epsilon: number
}

/** D-Adapted Adan (Xie et al. 2022), whose momentum also looks at how the gradient changes. */
export const dAdaptAdan: MakeOptimizer<DAdaptAdanOptions> = (parameters, options = {}) => {
  const { beta1 = 0.98, beta2 = 0.92, beta3 = 0.99, epsilon = 1e-8, weightDecay = 0.02 } = options
  const { tensors, means, squares, sums, d0, growthRate } = begun(parameters, options)
  const changes = zerosLike(tensors, 'change', parameters)
  const before = zerosLike(tensors, 'before', parameters)
  const numbers = { steps: 0, d: d0, gradientSquares: 0 }
  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      const rate = largest(learningRates)
      const dRate = numbers.d * rate
      const total = { gradients: 0, sums: 0, norm: 0 }
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, m, v, s] = [gradients[index]!, means[index]!, squares[index]!, sums[index]!]
        const [change, last] = [changes[index]!, before[index]!]
        for (let i = 0; i < p.length; i++) {
          const gi = g[i]!
          const difference = numbers.steps === 0 ? 0 : gi - last[i]!
          const look = gi + beta2 * difference
          m[i] = beta1 * m[i]! + dRate * (1 - beta1) * gi
          change[i] = beta2 * change[i]! + dRate * (1 - beta2) * difference
          v[i] = beta3 * v[i]! + (1 - beta3) * look * look
          s[i] = beta3 * s[i]! + dRate * (1 - beta3) * gi
          addSquares(total, gi, s[i]!, Math.sqrt(v[i]!) + epsilon)
          last[i] = gi
        }
      }
      if (total.norm === 0) return
      growBySquares(numbers, total, { rate, dRate, beta: beta3, growthRate })
      for (const [index, { data: p }] of parameters.entries()) {
        const [m, v, change] = [means[index]!, squares[index]!, changes[index]!]
        for (let i = 0; i < p.length; i++) {
          const move = (m[i]! + beta2 * change[i]!) / (Math.sqrt(v[i]!) + epsilon)
          p[i] = (p[i]! - move) / (1 + dRate * weightDecay)
        }
      }
      numbers.steps++
    },
  }
}

export interface DAdaptLionOptions {
  readonly beta1: number
  readonly beta2: number
  readonly weightDecay: number
  readonly d0: number
}

/** D-Adapted Lion: d from the inner products of the signs with their sum. */
export const dAdaptLion: MakeOptimizer<DAdaptLionOptions> = (parameters, options = {}) => {
  const { beta1 = 0.9, beta2 = 0.99, weightDecay = 0, d0 = 1e-6 } = options
  const rootBeta2 = Math.sqrt(beta2)
  const tensors = new Map<string, Float32Array>()
  const means = zerosLike(tensors, 'mean', parameters)
  const sums = zerosLike(tensors, 'sum', parameters)
  const numbers = { d: d0, numerator: 0 }
  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      const rate = largest(learningRates)
      const dRate = numbers.d * rate
      let inner = 0
      let norm = 0
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, m, s] = [gradients[index]!, means[index]!, sums[index]!]
        for (let i = 0; i < p.length; i++) {
          const sign = Math.sign(beta1 * m[i]! + (1 - beta1) * g[i]!)
          p[i] = p[i]! * (1 - dRate * weightDecay) - dRate * sign
          m[i] = beta2 * m[i]! + (1 - beta2) * dRate * g[i]!
          inner += sign * s[i]!
          s[i] = rootBeta2 * s[i]! + (1 - rootBeta2) * dRate * sign
          norm += Math.abs(s[i]!)
        }
      }
      numbers.numerator = rootBeta2 * numbers.numerator + (1 - rootBeta2) * dRate * inner
      if (norm > 0) grow(numbers, numbers.numerator / ((1 - rootBeta2) * norm), rate, Number.POSITIVE_INFINITY)
    },
  }
}

export interface DAdaptSgdOptions extends CommonOptions {
  readonly momentum: number
}

/** D-Adapted gradient descent, in units of the first gradient's length. */
export const dAdaptSgd: MakeOptimizer<DAdaptSgdOptions> = (parameters, options = {}) => {
  const { momentum = 0, weightDecay = 0, d0 = 1e-6, growthRate = Number.POSITIVE_INFINITY } = options
  const tensors = new Map<string, Float32Array>()
  const sums = zerosLike(tensors, 'sum', parameters)
  const starts = parameters.map(({ data }, index) => {
    const start = data.slice()
    tensors.set(`start.${index}`, start)
    return start
  })
  const numbers = { steps: 0, d: d0, numerator: 0, firstNorm: 0 }
  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      const rate = largest(learningRates)
      if (numbers.steps === 0) {
        let squares = 0
        for (const g of gradients) for (const gi of g) squares += gi * gi
        numbers.firstNorm = Math.sqrt(squares)
      }
      const dRate = (numbers.d * rate) / numbers.firstNorm
      let inner = 0
      let squares = 0
      for (const [index, { data: p }] of parameters.entries()) {
        const [g, s] = [gradients[index]!, sums[index]!]
        for (let i = 0; i < p.length; i++) {
          const gi = g[i]! + weightDecay * p[i]!
          inner += gi * s[i]!
          s[i] = s[i]! + dRate * gi
          squares += s[i]! * s[i]!
        }
      }
      numbers.numerator += dRate * inner
      if (squares === 0) return
      grow(numbers, (2 * numbers.numerator) / Math.sqrt(squares), rate, growthRate)
      for (const [index, { data: p }] of parameters.entries()) {
        const [start, s] = [starts[index]!, sums[index]!]
        for (let i = 0; i < p.length; i++) p[i] = momentum * p[i]! + (1 - momentum) * (start[i]! - s[i]!)
      }
      numbers.steps++
    },
  }
}

/** What the kin of Adam begin with: their memories, the first estimate and how much it may grow. */
function begun(
  parameters: readonly Tensor[],
  { d0 = 1e-6, growthRate = Number.POSITIVE_INFINITY }: Partial<CommonOptions>,
) {
  const tensors = new Map<string, Float32Array>()
  return {
    d0,
    growthRate,
    tensors,
    means: zerosLike(tensors, 'mean', parameters),
    squares: zerosLike(tensors, 'square', parameters),
    sums: zerosLike(tensors, 'sum', parameters),
  }
}

/** One d serves all parameters, so the rate it is estimated with is the largest of the groups'. */
function largest(learningRates: readonly number[]): number {
  return learningRates.reduce((most, rate) => Math.max(most, rate), 0)
}

function grow(numbers: { d: number }, estimate: number, rate: number, growthRate: number): void {
  if (rate > 0) numbers.d = Math.max(numbers.d, Math.min(estimate, numbers.d * growthRate))
}

interface SquareSums {
  gradients: number
  sums: number
  norm: number
}

function addSquares(total: SquareSums, g: number, s: number, root: number): void {
  total.gradients += (g * g) / root
  total.sums += (s * s) / root
  total.norm += Math.abs(s)
}

function growBySquares(
  numbers: { d: number; gradientSquares: number },
  total: SquareSums,
  { rate, dRate, beta, growthRate }: { rate: number; dRate: number; beta: number; growthRate: number },
): void {
  numbers.gradientSquares = beta * numbers.gradientSquares + total.gradients * dRate ** 2 * (1 - beta)
  grow(numbers, (total.sums / (1 - beta) - numbers.gradientSquares) / total.norm, rate, growthRate)
}
