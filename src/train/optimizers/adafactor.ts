import type { Tensor } from '../../tensor/tensor.ts'
import { type MakeOptimizer, zerosLike } from './optimizer.ts'

export interface AdafactorOptions {
  /** The rate follows the number of steps, min(10⁻², 1/√t); the rates given are then ignored. */
  readonly relativeStep: boolean
  /** Rates are in proportion to the parameter's own size. */
  readonly scaleParameter: boolean
  /** With `relativeStep`: a rate that grows from 10⁻⁶·t. */
  readonly warmupInit: boolean
  /** Momentum; undefined for none, which saves its memory. */
  readonly beta1: number | undefined
  readonly weightDecay: number
  readonly clipThreshold: number
  readonly decayRate: number
}

const squareEpsilon = 1e-30
const scaleEpsilon = 1e-3

/**
 * Adafactor (Shazeer and Stern 2018): the second moment of a matrix is kept as its row and column means, so memory
 * grows with the sides of a weight and not with its area. Leading dimensions count as separate matrices.
 */
export const adafactor: MakeOptimizer<AdafactorOptions> = (parameters, options = {}) => {
  const { relativeStep = true, scaleParameter = true, warmupInit = false, beta1, weightDecay = 0 } = options
  const { clipThreshold = 1, decayRate = -0.8 } = options
  const tensors = new Map<string, Float32Array>()
  const moments = parameters.map((parameter, index) => secondMoment(parameter, index, tensors))
  const means = beta1 === undefined ? undefined : zerosLike(tensors, 'mean', parameters)
  const numbers = { steps: 0 }
  return {
    state: { tensors, numbers },
    step(gradients, learningRates) {
      const t = ++numbers.steps
      const beta2 = 1 - t ** decayRate
      const cap = warmupInit ? 1e-6 * t : 1e-2
      for (const [index, { data: p }] of parameters.entries()) {
        const relative = relativeStep ? Math.min(cap, 1 / Math.sqrt(t)) : learningRates[index]!
        const rate = relative * (scaleParameter ? Math.max(scaleEpsilon, rms(p)) : 1)

        const update = moments[index]!(gradients[index]!, beta2)
        const shrink = rate / Math.max(1, rms(update) / clipThreshold)
        const mean = means?.[index]
        for (let i = 0; i < p.length; i++) {
          let move = update[i]! * shrink
          if (mean) {
            move = beta1! * mean[i]! + (1 - beta1!) * move
            mean[i] = move
          }
          p[i] = p[i]! * (1 - weightDecay * rate) - move
        }
      }
    },
  }
}

/** Takes a gradient into the running second moment and returns the gradient divided by its root. */
type SecondMoment = (gradient: Float32Array, beta2: number) => Float32Array

function secondMoment({ shape, data }: Tensor, index: number, tensors: Map<string, Float32Array>): SecondMoment {
  if (shape.length < 2) {
    const [square] = zerosLike(tensors, `square${index}`, [{ shape, data }])
    return (g, beta2) =>
      g.map((gi, i) => {
        square![i] = beta2 * square![i]! + (1 - beta2) * (gi * gi + squareEpsilon)
        return gi / Math.sqrt(square![i]!)
      })
  }
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!]
  const matrices = data.length / (rows * columns)
  const rowMeans = new Float32Array(matrices * rows)
  const columnMeans = new Float32Array(matrices * columns)
  tensors.set(`rows.${index}`, rowMeans).set(`columns.${index}`, columnMeans)

  return (g, beta2) => {
    const update = new Float32Array(g.length)
    for (let matrix = 0; matrix < matrices; matrix++) {
      const square = (row: number, column: number) => g[(matrix * rows + row) * columns + column]! ** 2 + squareEpsilon
      const rowMean = rowMeans.subarray(matrix * rows, (matrix + 1) * rows)
      const columnMean = columnMeans.subarray(matrix * columns, (matrix + 1) * columns)
      average(rowMean, columns, square, beta2)
      average(columnMean, rows, (column, row) => square(row, column), beta2)

      const meanOfRows = rowMean.reduce((sum, x) => sum + x, 0) / rows
      for (let row = 0; row < rows; row++) {
        const rowFactor = Math.sqrt(rowMean[row]! / meanOfRows)
        for (let column = 0; column < columns; column++) {
          const at = (matrix * rows + row) * columns + column
          update[at] = g[at]! / (rowFactor * Math.sqrt(columnMean[column]!))
        }
      }
    }
    return update
  }
}

function average(means: Float32Array, across: number, value: (i: number, j: number) => number, beta2: number): void {
  for (let i = 0; i < means.length; i++) {
    let sum = 0
    for (let j = 0; j < across; j++) sum += value(i, j)
    means[i] = beta2 * means[i]! + (1 - beta2) * (sum / across)
  }
}

function rms(x: Float32Array): number {
  let sum = 0
  for (const xi of x) sum += xi * xi
  return Math.sqrt(sum / x.length)
}
