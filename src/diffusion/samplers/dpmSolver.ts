import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { Denoise } from './sampler.ts'

/*
 * DPM-Solver (Lu et al. 2022, Algorithms 1 and 2) over t = −ln σ, with ε = (x − D)/σ. A step of size h is
 *   x' = x − σ'·(φ₁·ε + φ₂·(change of ε)),  φ₁ = e^h − 1,  φ₂ = φ₁/h − 1.
 */

/** The slope ε at a place on the way, and the estimate it came from. */
export interface Slope {
  readonly epsilon: Tensor
  readonly denoised: Tensor
}

/** ε at time t. */
export async function slopeAt(denoise: Denoise, x: Tensor, t: number): Promise<Slope> {
  const sigma = Math.exp(-t)
  const denoised = await denoise(x, sigma)
  return { epsilon: combine([1 / sigma, x], [-1 / sigma, denoised]), denoised }
}

/** First order: no further call. */
export function firstOrder(x: Tensor, { epsilon }: Slope, t: number, tNext: number): Tensor {
  return combine([1, x], [-Math.exp(-tNext) * Math.expm1(tNext - t), epsilon])
}

/** Second order from the slope found at t + r·h. */
export function secondOrder(x: Tensor, start: Slope, inner: Slope, r: number, t: number, tNext: number): Tensor {
  const phi1 = Math.exp(-tNext) * Math.expm1(tNext - t)
  const k = phi1 / (2 * r)
  return combine([1, x], [k - phi1, start.epsilon], [-k, inner.epsilon])
}

/** Third order from the slopes found at t + h/3 and t + 2h/3: one call, for the second of them. */
export async function thirdOrder(
  denoise: Denoise,
  x: Tensor,
  start: Slope,
  inner: Slope,
  t: number,
  tNext: number,
): Promise<Tensor> {
  const h = tNext - t
  const tSecond = t + (2 / 3) * h
  const second = await slopeAt(denoise, along(x, start, inner, 2, t, tSecond), tSecond)
  return along(x, start, second, 3 / 2, t, tNext)
}

/** A step whose slope changes by `stretch` times what it does from `start` to `inner`. */
function along(x: Tensor, start: Slope, inner: Slope, stretch: number, t: number, tNext: number): Tensor {
  const h = tNext - t
  if (h === 0) return x
  const sigma = Math.exp(-tNext)
  const phi1 = sigma * Math.expm1(h)
  const k = sigma * stretch * (Math.expm1(h) / h - 1)
  return combine([1, x], [k - phi1, start.epsilon], [-k, inner.epsilon])
}
