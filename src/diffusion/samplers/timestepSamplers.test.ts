import { describe, expect, test } from 'vitest'
import { normalStream } from '../../tensor/random.ts'
import { type Tensor, tensor } from '../../tensor/tensor.ts'
import { alphasCumprod } from '../betas.ts'
import { ddim, ddimCfgpp } from './ddim.ts'
import { plms } from './plms.ts'
import type { PredictNoise, TimestepOptions, TimestepSampler } from './sampler.ts'
import { unipc } from './unipc.ts'
import { uniPcWeights } from './unipcWeights.ts'

// So many timesteps that even fine steps fall on whole ones, without the last of the noise, where λ runs off to infinity
// and no even spacing follows it.
const alphas = alphasCumprod({ start: 0.00085 / 16, end: 0.012 / 16, timesteps: 16_000 }).slice(4000)
const timesteps = alphas.length
const settings = { variant: 'bh1', skipType: 'time_uniform', order: 3, lowerOrderFinal: true } as const
const still: TimestepOptions = {
  noise: (_, __) => tensor([0]),
  eta: 0,
  alphasCumprod: alphas,
  isImg2img: false,
  unipc: settings,
}

async function last(
  sampler: TimestepSampler,
  predict: PredictNoise,
  x: Tensor,
  steps: readonly number[],
  options: TimestepOptions = still,
) {
  let sigma = Number.NaN
  for await (const step of sampler(predict, x, steps, options)) {
    x = step.x
    sigma = step.sigma
  }
  return { x, sigma }
}

/** ᾱ between two timesteps. */
function alphaAt(timestep: number): number {
  const below = Math.min(Math.floor(timestep), timesteps - 2)
  return alphas[below]! * (alphas[below + 1]! / alphas[below]!) ** (timestep - below)
}

/** Data from N(0, s²): its noise estimate and its path have closed forms. */
const spread = 0.4
const deviationAt = (alpha: number) => Math.sqrt(alpha * spread ** 2 + 1 - alpha)
const gaussian: PredictNoise = async (x, timestep) => {
  const alpha = alphaAt(timestep)
  const scale = Math.sqrt(1 - alpha) / deviationAt(alpha) ** 2
  const epsilon = { shape: x.shape, data: x.data.map((value) => value * scale) }
  return { epsilon, uncond: epsilon }
}

/** Evenly spaced timesteps from 0 to the last. */
function even(steps: number): number[] {
  return Array.from({ length: steps + 1 }, (_, i) => Math.round((i / steps) * (timesteps - 1)))
}

describe('on the way without noise', () => {
  async function errorWith(sampler: TimestepSampler, steps: number, unipcOrder = 3): Promise<number> {
    const start = tensor([deviationAt(alphas.at(-1)!)])
    // UniPC takes as many steps as there are timesteps, the others one less.
    const path = sampler === unipc ? even(steps).slice(1) : even(steps)
    const options = { ...still, unipc: { ...settings, order: unipcOrder, lowerOrderFinal: false } }
    const { x, sigma } = await last(sampler, gaussian, start, path, options)
    return Math.abs(x.data[0]! - deviationAt(1 / (1 + sigma ** 2)))
  }

  test.each([
    ['DDIM', ddim, 1, 32],
    ['DDIM CFG++', ddimCfgpp, 1, 32],
    ['PLMS', plms, 2, 64],
  ] as const)('%s gains its order when the steps double', async (_, sampler, order, steps) => {
    const gain = (await errorWith(sampler, steps)) / (await errorWith(sampler, 2 * steps))
    expect(Math.log2(gain)).toBeGreaterThan(order - 0.2)
  })

  test.each([1, 2, 3])(
    'UniPC of order %i gains one order more by its corrector, up to the last step, which has none',
    async (order) => {
      const gain = (await errorWith(unipc, 12, order)) / (await errorWith(unipc, 24, order))
      expect(Math.log2(gain)).toBeGreaterThan(Math.min(order + 1, 3) - 0.25)
      expect(await errorWith(unipc, 12, order)).toBeLessThan((await errorWith(ddim, 12)) / 3)
    },
  )

  test.each(['time_uniform', 'time_quadratic', 'logSNR'] as const)('UniPC arrives by %s steps', async (skipType) => {
    for (const variant of ['bh1', 'bh2', 'vary_coeff'] as const) {
      const options = { ...still, unipc: { ...settings, skipType, variant } }
      const { x, sigma } = await last(
        unipc,
        gaussian,
        tensor([deviationAt(alphas.at(-1)!)]),
        even(30).slice(1),
        options,
      )
      expect(sigma).toBeCloseTo(Math.sqrt((1 - alphas[0]!) / alphas[0]!), 4)
      expect(Math.abs(x.data[0]! / deviationAt(alphas[0]!) - 1)).toBeLessThan(0.005)
    }
  })

  test('UniPC makes as many steps as asked even where they are fewer than its order', async () => {
    for (const steps of [1, 2]) {
      let calls = 0
      const counted: PredictNoise = (x, timestep) => {
        calls++
        return gaussian(x, timestep)
      }
      const { x } = await last(unipc, counted, tensor([1]), even(steps).slice(1))
      expect(calls).toBe(steps)
      expect(Number.isFinite(x.data[0])).toBe(true)
    }
  })

  test('UniPC of a noised picture starts at its timestep', async () => {
    const asked: number[] = []
    const listening: PredictNoise = (x, timestep) => {
      asked.push(timestep)
      return gaussian(x, timestep)
    }
    await last(unipc, listening, tensor([1]), even(10).slice(0, 6), { ...still, isImg2img: true })
    expect(asked.length).toBe(6)
    expect(asked[0]).toBeCloseTo(even(10)[5]!, 0)
  })

  test('PLMS looks ahead once, for its first step', async () => {
    const asked: number[] = []
    await last(
      plms,
      (x, timestep) => {
        asked.push(timestep)
        return gaussian(x, timestep)
      },
      tensor([1]),
      [1, 251, 501, 751],
    )
    expect(asked).toEqual([751, 501, 501, 251])
  })

  test('an empty list of timesteps leaves the latent alone', async () => {
    for (const sampler of [ddim, plms, unipc]) {
      expect([...(await last(sampler, gaussian, tensor([3]), [])).x.data]).toEqual([3])
    }
  })
})

test.each([0, 0.5, 1])('DDIM with η = %d keeps the variance of the marginals', async (eta) => {
  const size = 20_000
  const draw = normalStream('cpu', 4)
  const start = draw([size])
  const x = { shape: start.shape, data: start.data.map((value) => value * deviationAt(alphas.at(-1)!)) }
  const result = await last(ddim, gaussian, x, even(50), { ...still, eta, noise: () => draw([size]) })
  const variance = result.x.data.reduce((sum, value) => sum + value ** 2, 0) / size
  expect(Math.abs(variance / deviationAt(1 / (1 + result.sigma ** 2)) ** 2 - 1)).toBeLessThan(0.12)
})

test('DDIM CFG++ goes back along the noise found without the prompt', async () => {
  const split: PredictNoise = async () => ({ epsilon: tensor([1]), uncond: tensor([3]) })
  const { x } = await last(ddimCfgpp, split, tensor([2]), [4000, 11_000])
  const [next, alpha] = [alphas[4000]!, alphas[11_000]!]
  const clean = (2 - Math.sqrt(1 - alpha)) / Math.sqrt(alpha)
  expect(x.data[0]).toBeCloseTo(Math.sqrt(next) * clean + Math.sqrt(1 - next) * 3, 5)
})

test('UniPC’s weights integrate polynomials in λ exactly', () => {
  // With D(λ) = λ − λ₀ and h > 0, the integral ∫ e^(λ − λ₁) (λ − λ₀) over the step is h − 1 + e^−h.
  const h = 0.7
  for (const variant of ['bh1', 'bh2', 'vary_coeff'] as const) {
    // The difference of any earlier estimate over its ratio r is (r·h)/r = h.
    const { predictor, corrector } = uniPcWeights(variant, [-0.8, -1.7], -h)
    expect(-predictor.reduce((sum, weight) => sum + weight, 0) * h).toBeCloseTo(h - 1 + Math.exp(-h), 10)
    if (variant === 'vary_coeff') continue
    expect(-corrector.reduce((sum, weight) => sum + weight, 0) * h).toBeCloseTo(h - 1 + Math.exp(-h), 10)
  }
})
