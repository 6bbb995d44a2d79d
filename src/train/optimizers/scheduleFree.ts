import type { Tensor } from '../../tensor/tensor.ts'
import { type MakeOptimizer, type Optimizer, zerosLike } from './optimizer.ts'

/*
 * Schedule-free optimizers (Defazio et al. 2024). Gradients are taken at y, which lies between the iterate z and the
 * average x of all iterates; x is what is used outside of training, and takes the place of a learning-rate schedule.
 */

interface CommonOptions {
  readonly weightDecay: number
  /** Exponent of the step in an iterate's weight in the average. */
  readonly r: number
  /** Exponent of the largest learning rate so far in that weight. */
  readonly weightLrPower: number
  readonly warmupSteps: number
}

export interface AdamWScheduleFreeOptions extends CommonOptions {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
}

/** AdamW without a schedule. */
export const adamwScheduleFree: MakeOptimizer<AdamWScheduleFreeOptions> = (parameters, options = {}) => {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, warmupSteps = 0 } = options
  const averaged = iterates(parameters, beta1, options)
  const squares = zerosLike(averaged.tensors, 'square', parameters)
  return {
    ...averaged.optimizer,
    step(gradients, learningRates) {
      const t = averaged.nextStep()
      const warmth = t <= warmupSteps ? t / warmupSteps : 1
      const correction2 = 1 - beta2 ** t
      for (const index of parameters.keys()) {
        const move = adamMove(gradients[index]!, squares[index]!, { beta2, correction2, epsilon })
        averaged.move(index, learningRates[index]! * warmth, move)
      }
    },
  }
}

export interface RAdamScheduleFreeOptions extends Omit<AdamWScheduleFreeOptions, 'warmupSteps'> {
  /** Whether nothing is learnt while the second moment is too uncertain to divide by. */
  readonly silentSgdPhase: boolean
}

/** Rectified Adam (Liu et al. 2020) without a schedule: it warms up by itself. */
export const radamScheduleFree: MakeOptimizer<RAdamScheduleFreeOptions> = (parameters, options = {}) => {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, silentSgdPhase = true } = options
  const averaged = iterates(parameters, beta1, options)
  const squares = zerosLike(averaged.tensors, 'square', parameters)
  const longest = 2 / (1 - beta2) - 1
  return {
    ...averaged.optimizer,
    step(gradients, learningRates) {
      const t = averaged.nextStep()
      const correction2 = 1 - beta2 ** t
      const length = longest - (2 * t * beta2 ** t) / correction2
      const isCertain = length > 4
      const certainty = isCertain
        ? Math.sqrt(((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length))
        : Number(!silentSgdPhase)
      for (const index of parameters.keys()) {
        const move = adamMove(gradients[index]!, squares[index]!, { beta2, correction2, epsilon })
        averaged.move(index, learningRates[index]! * certainty, isCertain ? move : gradients[index]!)
      }
    },
  }
}

export interface SgdScheduleFreeOptions extends CommonOptions {
  readonly momentum: number
}

/** Gradient descent without a schedule. */
export const sgdScheduleFree: MakeOptimizer<SgdScheduleFreeOptions> = (parameters, options = {}) => {
  const { momentum = 0.9, warmupSteps = 0 } = options
  const averaged = iterates(parameters, momentum, options)
  return {
    ...averaged.optimizer,
    step(gradients, learningRates) {
      const t = averaged.nextStep()
      const warmth = t <= warmupSteps ? t / warmupSteps : 1
      for (const index of parameters.keys()) averaged.move(index, learningRates[index]! * warmth, gradients[index]!)
    },
  }
}

/** g/(√v̂ + ε), v̂ being the bias-corrected average of g². */
function adamMove(
  g: Float32Array,
  v: Float32Array,
  { beta2, correction2, epsilon }: { beta2: number; correction2: number; epsilon: number },
): Float32Array {
  return g.map((gi, i) => {
    v[i] = beta2 * v[i]! + (1 - beta2) * gi * gi
    return gi / (Math.sqrt(v[i]! / correction2) + epsilon)
  })
}

/** z and what the average of all z needs, where y = (1 − β)·z + β·x are the parameters. */
function iterates(parameters: readonly Tensor[], beta: number, options: Partial<CommonOptions>) {
  const { weightDecay = 0, r = 0, weightLrPower = 2 } = options
  const tensors = new Map<string, Float32Array>()
  const iterate = parameters.map(({ data }, index) => {
    const z = data.slice()
    tensors.set(`iterate.${index}`, z)
    return z
  })
  const one = { shape: [1], data: new Float32Array(1) }
  const largestRates = zerosLike(
    tensors,
    'largest rate',
    parameters.map(() => one),
  )
  const weightSums = zerosLike(
    tensors,
    'weight sum',
    parameters.map(() => one),
  )
  const numbers = { steps: 0 }
  const optimizer: Omit<Optimizer, 'step'> = {
    state: { tensors, numbers },
    evaluated: () =>
      parameters.map(({ data: y }, index) => y.map((yi, i) => yi + (1 - 1 / beta) * (iterate[index]![i]! - yi))),
  }
  return {
    tensors,
    optimizer,
    nextStep: () => ++numbers.steps,
    /** Moves z along −direction, and y with it. */
    move(index: number, rate: number, direction: Float32Array): void {
      const [y, z] = [parameters[index]!.data, iterate[index]!]
      const [largestRate, weightSum] = [largestRates[index]!, weightSums[index]!]
      largestRate[0] = Math.max(rate, largestRate[0]!)
      const weight = numbers.steps ** r * largestRate[0]! ** weightLrPower
      weightSum[0] = weightSum[0]! + weight
      const share = weightSum[0] === 0 ? 0 : weight / weightSum[0]!
      for (let i = 0; i < y.length; i++) {
        const move = direction[i]! + weightDecay * y[i]!
        y[i] = y[i]! + share * (z[i]! - y[i]!) + rate * (beta * (1 - share) - 1) * move
        z[i] = z[i]! - rate * move
      }
    },
  }
}
