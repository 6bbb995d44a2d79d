import type { UniPcOptions } from './sampler.ts'

/** Weights of the differences of estimates, in units of the new α: for the earlier ones, and for the new one last. */
export interface UniPcWeights {
  readonly predictor: readonly number[]
  readonly corrector: readonly number[]
}

/**
 * UniPC's weights for estimates at `ratios` of the step (below 0: before it), with h the negative step in λ. They match
 * the Taylor series of the exact solution: Zhao et al. 2023, Theorem 3.1 for B(h) = h (bh1) and e^h − 1 (bh2), and
 * Appendix C for coefficients that vary with the order.
 */
export function uniPcWeights(variant: UniPcOptions['variant'], ratios: readonly number[], h: number): UniPcWeights {
  return variant === 'vary_coeff' ? varying(ratios, h) : fixed(variant, ratios, h)
}

function fixed(variant: 'bh1' | 'bh2', ratios: readonly number[], h: number): UniPcWeights {
  const scale = variant === 'bh1' ? h : Math.expm1(h)
  const order = ratios.length + 1
  const phis = phisTo(order, h)
  const wanted = phis.slice(1).map((phi, i) => (phi * factorial(i + 1)) / scale)
  // Row i: the ratios to the power i.
  const powers = (nodes: readonly number[]) => nodes.map((_, i) => nodes.map((node) => node ** i))

  // At these two orders the published method takes ½ instead of the solution.
  const predictor = order === 2 ? [0.5] : solve(powers(ratios), wanted.slice(0, -1))
  const corrector = order === 1 ? [0.5] : solve(powers([...ratios, 1]), wanted)
  return { predictor: predictor.map((rho) => rho * scale), corrector: corrector.map((rho) => rho * scale) }
}

function varying(ratios: readonly number[], h: number): UniPcWeights {
  const order = ratios.length + 1
  const phis = phisTo(order, h)
  // Row j: the Taylor weights of the derivatives in a difference over ratio j.
  const taylor = (nodes: readonly number[]) => nodes.map((node) => nodes.map((_, k) => node ** k / factorial(k + 1)))

  const forPredictor = inverse(taylor(ratios))
  const predictor = ratios.map((_, j) => forPredictor.reduce((sum, row, k) => sum + phis[k + 1]! * row[j]!, 0))

  // As published, earlier estimates enter through the lower derivatives only, and the new one through the last.
  const forCorrector = inverse(taylor([...ratios, 1]))
  const earlier = ratios.map((_, j) =>
    forCorrector.slice(0, -1).reduce((sum, row, k) => sum + phis[k + 1]! * row[j]!, 0),
  )
  return { predictor, corrector: [...earlier, phis[order]! * forCorrector[Math.max(order - 2, 0)]!.at(-1)!] }
}

/** φ₁ = e^h − 1 and φₖ₊₁ = φₖ/h − 1/k!, up to φ of order + 1. */
function phisTo(order: number, h: number): number[] {
  const phis = [Math.expm1(h)]
  for (let k = 1; k <= order; k++) phis.push(phis[k - 1]! / h - 1 / factorial(k))
  return phis
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1)
}

function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const columns = matrix.map((_, j) =>
    solve(
      matrix,
      matrix.map((_, i) => (i === j ? 1 : 0)),
    ),
  )
  return matrix.map((_, i) => columns.map((column) => column[i]!))
}

/** Solves a small linear system by elimination with row exchange. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const system = matrix.map((row, i) => [...row, right[i]!])
  const size = system.length
  for (let column = 0; column < size; column++) {
    let pivot = column
    for (let i = column + 1; i < size; i++) {
      if (Math.abs(system[i]![column]!) > Math.abs(system[pivot]![column]!)) pivot = i
    }
    const chosen = system[pivot]!
    system[pivot] = system[column]!
    system[column] = chosen
    for (const row of system) {
      if (row === chosen) continue
      const factor = row[column]! / chosen[column]!
      for (let k = column; k <= size; k++) row[k]! -= factor * chosen[k]!
    }
  }
  return system.map((row, i) => row[size]! / row[i]!)
}
