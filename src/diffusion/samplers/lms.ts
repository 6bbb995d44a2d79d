import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { Sampler } from './sampler.ts'

const order = 4

/** Linear multistep (Adams–Bashforth over uneven σ): the polynomial through the latest four slopes, integrated. */
export const lms: Sampler = async function* (denoise, x, sigmas) {
  const slopes: Tensor[] = []
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const sigma = sigmas[i]!
    const sigmaNext = sigmas[i + 1]!
    const denoised = await denoise(x, sigma)
    slopes.unshift(combine([1 / sigma, x], [-1 / sigma, denoised]))
    slopes.length = Math.min(slopes.length, order)

    const nodes = slopes.map((_, j) => sigmas[i - j]!)
    x = combine([1, x], ...slopes.map((slope, j) => [lagrangeIntegral(nodes, j, sigma, sigmaNext), slope] as const))
    yield { x, sigma: sigmaNext, denoised }
  }
}

/**
 * ∫ over [a, b] of the Lagrange polynomial that is 1 at node j and 0 at the others, by two-point Gauss–Legendre
 * quadrature, which is exact to degree 3.
 */
function lagrangeIntegral(nodes: readonly number[], j: number, a: number, b: number): number {
  const basis = (at: number) =>
    nodes.reduce((product, node, k) => (k === j ? product : (product * (at - node)) / (nodes[j]! - node)), 1)
  const centre = (a + b) / 2
  const reach = (b - a) / 2 / Math.sqrt(3)
  return ((b - a) / 2) * (basis(centre - reach) + basis(centre + reach))
}
