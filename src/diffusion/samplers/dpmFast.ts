import { combine } from '../../tensor/combine.ts'
import { firstOrder, secondOrder, slopeAt, thirdOrder } from './dpmSolver.ts'
import { ancestralSplitInTime } from './freshNoise.ts'
import type { Sampler } from './sampler.ts'

/**
 * DPM-Solver-fast (Lu et al. 2022, Section 3.4): third-order steps, evenly spaced in ln σ, with one of lower order at
 * the end so that exactly n calls are made. Of `sigmas` only the ends and the number of steps between them count; the
 * last must be above 0. With η it also draws fresh noise, as ancestral samplers do.
 */
export const dpmFast: Sampler = async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
  const calls = sigmas.length - 1
  const tStart = -Math.log(sigmas[0]!)
  const tEnd = -Math.log(sigmas.at(-1)!)
  const orders = ordersFor(calls)

  for (const [i, order] of orders.entries()) {
    const t = tStart + (i / orders.length) * (tEnd - tStart)
    const tNext = tStart + ((i + 1) / orders.length) * (tEnd - tStart)
    const { tDown, up } = ancestralSplitInTime(t, tNext, tEnd, eta)
    const start = await slopeAt(denoise, x, t)
    if (order === 1) {
      x = firstOrder(x, start, t, tDown)
    } else {
      const r = 1 / order
      const tInner = t + r * (tDown - t)
      const inner = await slopeAt(denoise, firstOrder(x, start, t, tInner), tInner)
      x = order === 2 ? secondOrder(x, start, inner, r, t, tDown) : await thirdOrder(denoise, x, start, inner, t, tDown)
    }
    const fresh = noise(Math.exp(-t), Math.exp(-tNext))
    x = combine([1, x], [sNoise * up, fresh])
    yield { x, sigma: Math.exp(-tNext), denoised: start.denoised }
  }
}

/** Orders that add up to the number of calls; the last but one is lowered too where they would come out even. */
function ordersFor(calls: number): (1 | 2 | 3)[] {
  const thirds = Math.floor(calls / 3)
  if (calls % 3 === 0) return [...Array<3>(Math.max(thirds - 1, 0)).fill(3), 2, 1]
  return [...Array<3>(thirds).fill(3), calls % 3 === 1 ? 1 : 2]
}
