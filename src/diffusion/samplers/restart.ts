import { combine } from '../../tensor/combine.ts'
import { karras } from '../schedules.ts'
import { heunStep } from './heun.ts'
import { pairs, type Sampler } from './sampler.ts'

/** Between these levels the way is walked again: Xu et al. 2023, Table 1, for Stable Diffusion. */
const restartFrom = 2
const restartTo = 0.1

/**
 * Restart sampling (Xu et al. 2023): Heun steps down, and where the steps allow it, back up from σ ≈ 0.1 to σ ≈ 2 with
 * fresh noise and down again, which forgets errors made on the way. Steps for that come out of the total, so from 20
 * steps on the schedule is a Karras schedule of its own.
 */
export const restart: Sampler = async function* (denoise, x, sigmas, { noise, sNoise }) {
  let last: number | undefined
  for (const [sigma, sigmaNext] of planRestarts(sigmas)) {
    if (last !== undefined && last < sigma) {
      x = combine([1, x], [sNoise * Math.sqrt(sigma ** 2 - last ** 2), noise(last, sigma)])
    }
    const step = await heunStep(denoise, x, sigma, sigmaNext)
    x = step.x
    last = sigmaNext
    yield { x, sigma: sigmaNext, denoised: step.denoised }
  }
}

function planRestarts(sigmas: readonly number[]): readonly (readonly [number, number])[] {
  const steps = sigmas.length - 1
  if (steps < 20) return [...pairs(sigmas)]

  const times = steps >= 36 ? 2 : 1
  const stepsEach = steps >= 36 ? Math.floor(steps / 4) : 9
  const main = spaced(steps - stepsEach * times, sigmas[0]!, sigmas.at(-2)!)
  const low = nearest(main, restartTo)
  const high = nearest(main, restartFrom)
  const walk = [...pairs(main)]
  if (low === 0 || high >= low) return walk
  const again = [...pairs(spaced(stepsEach + 1, main[high]!, main[low]!).slice(0, -1))]
  return [...walk.slice(0, low), ...Array.from({ length: times }, () => again).flat(), ...walk.slice(low)]
}

function nearest(sigmas: readonly number[], wanted: number): number {
  return sigmas.reduce((best, sigma, i) => (Math.abs(sigma - wanted) < Math.abs(sigmas[best]! - wanted) ? i : best), 0)
}

function spaced(n: number, sigmaMax: number, sigmaMin: number): readonly number[] {
  return karras({ n, sigmaMin, sigmaMax, rho: 7 })
}
