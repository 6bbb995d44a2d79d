import { combine } from '../../tensor/combine.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { pairs, type Sampler } from './sampler.ts'

/**
 * DPM-Solver++(3M) as an SDE solver: like 2M SDE, with the first and second difference of the three latest estimates.
 * Earlier steps do with as many as there are. One call a step.
 */
export const dpmpp3mSde: Sampler = async function* (denoise, x, sigmas, { noise, eta, sNoise }) {
  // The estimates before, the latest first, each with the step that followed it.
  let before: readonly { denoised: Tensor; h: number }[] = []
  for (const [sigma, sigmaNext] of pairs(sigmas)) {
    const denoised = await denoise(x, sigma)
    if (sigmaNext === 0) {
      x = denoised
    } else {
      const h = Math.log(sigma / sigmaNext)
      const hEta = (1 + eta) * h
      const phi1 = -Math.expm1(-hEta)
      const phi2 = 1 - phi1 / hEta
      const phi3 = phi2 / hEta - 0.5

      const terms: [number, Tensor][] = [[Math.exp(-hEta), x]]
      const [one, two] = before
      if (one && two) {
        const r0 = one.h / h
        const r1 = two.h / h
        // d1 and d2, the divided differences scaled to this step, written out over the three estimates.
        const late = 1 / r0
        const early = 1 / r1
        const share = r0 / (r0 + r1)
        const a = phi2 * (1 + share) - phi3 / (r0 + r1)
        const b = phi2 * share - phi3 / (r0 + r1)
        terms.push([phi1 + a * late, denoised], [-a * late - b * early, one.denoised], [b * early, two.denoised])
      } else if (one) {
        const k = phi2 * (h / one.h)
        terms.push([phi1 + k, denoised], [-k, one.denoised])
      } else {
        terms.push([phi1, denoised])
      }
      if (eta > 0) {
        terms.push([sNoise * sigmaNext * Math.sqrt(-Math.expm1(-2 * eta * h)), noise(sigma, sigmaNext)])
      }
      x = combine(...terms)
      before = [{ denoised, h }, ...before].slice(0, 2)
    }
    yield { x, sigma: sigmaNext, denoised }
  }
}
