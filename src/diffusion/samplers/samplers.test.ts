import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { normalStream } from '../../tensor/random.ts'
import { type Tensor, tensor } from '../../tensor/tensor.ts'
import { brownianNoise } from '../brownian.ts'
import { karras } from '../schedules.ts'
import { dpm2, dpm2Ancestral } from './dpm2.ts'
import { dpmAdaptive } from './dpmAdaptive.ts'
import { dpmFast } from './dpmFast.ts'
import { dpmpp2m } from './dpmpp2m.ts'
import { dpmpp2mSde, dpmpp2mSdeHeun } from './dpmpp2mSde.ts'
import { dpmpp2sAncestral } from './dpmpp2sAncestral.ts'
import { dpmpp3mSde } from './dpmpp3mSde.ts'
import { dpmppSde } from './dpmppSde.ts'
import { euler, eulerAncestral } from './euler.ts'
import { heun } from './heun.ts'
import { samplers } from './index.ts'
import { lcm } from './lcm.ts'
import { lms } from './lms.ts'
import { restart } from './restart.ts'
import type { Denoise, NoiseSource, Sampler, SamplerOptions } from './sampler.ts'

const still: SamplerOptions = {
  noise: () => {
    throw new Error('no noise was to be drawn')
  },
  eta: 0,
  sNoise: 1,
  sChurn: 0,
  sTmin: 0,
  sTmax: Number.POSITIVE_INFINITY,
}
const silent: SamplerOptions = { ...still, noise: () => tensor([0]) }

async function last(sampler: Sampler, denoise: Denoise, x: Tensor, sigmas: readonly number[], options: SamplerOptions) {
  for await (const step of sampler(denoise, x, sigmas, options)) x = step.x
  return x
}

// Data drawn from N(0, 1) has a closed-form denoiser and a closed-form path, so a sampler's order can be measured.
const gaussian: Denoise = async (x, sigma) => ({
  shape: x.shape,
  data: x.data.map((value) => value / (1 + sigma ** 2)),
})
const exactAt = (sigma: number) => Math.hypot(1, sigma)

describe('on the way without noise', () => {
  async function errorWith(sampler: Sampler, steps: number): Promise<number> {
    const sigmas = karras({ n: steps + 1, sigmaMin: 0.1, sigmaMax: 10, rho: 7 }).slice(0, -1)
    const x = await last(sampler, gaussian, tensor([exactAt(10)]), sigmas, silent)
    return Math.abs(x.data[0]! - exactAt(0.1))
  }

  test.each([
    ['Euler', euler, 1],
    ['Euler a', eulerAncestral, 1],
    ['Heun', heun, 2],
    ['DPM2', dpm2, 2],
    ['DPM2 a', dpm2Ancestral, 2],
    ['DPM++ 2S a', dpmpp2sAncestral, 2],
    ['DPM++ SDE', dpmppSde, 2],
    ['DPM++ 2M', dpmpp2m, 2],
    ['DPM++ 2M SDE', dpmpp2mSde, 2],
    ['DPM++ 2M SDE Heun', dpmpp2mSdeHeun, 2],
  ] as const)('%s gains its published order when the steps double', async (_, sampler, order) => {
    const gain = (await errorWith(sampler, 32)) / (await errorWith(sampler, 64))
    expect(Math.abs(Math.log2(gain) - order)).toBeLessThan(0.15)
  })

  test.each([
    ['LMS', lms, 16, 3],
    // Third order throughout when the number of calls is one less than a multiple of three.
    ['DPM fast', dpmFast, 8, 3],
  ] as const)('%s gains third order or more', async (_, sampler, steps, order) => {
    const gain = (await errorWith(sampler, steps)) / (await errorWith(sampler, 4 * steps))
    expect(Math.log2(gain) / 2).toBeGreaterThan(order)
  })

  test('DPM++ 3M SDE starts at first order, and still gains more than second order at few steps', async () => {
    const gain = (await errorWith(dpmpp3mSde, 6)) / (await errorWith(dpmpp3mSde, 12))
    expect(Math.log2(gain)).toBeGreaterThan(2.5)
    expect(await errorWith(dpmpp3mSde, 16)).toBeLessThan((await errorWith(dpmpp2m, 16)) / 4)
  })

  test('DPM adaptive keeps to its tolerance', async () => {
    const x = await last(dpmAdaptive, gaussian, tensor([exactAt(10)]), [10, 0.1], silent)
    expect(Math.abs(x.data[0]! / exactAt(0.1) - 1)).toBeLessThan(0.05)
  })

  test('DPM adaptive gives up on a model that answers no numbers', async () => {
    const broken: Denoise = async (x) => ({ shape: x.shape, data: x.data.map(() => Number.NaN) })
    await expect(last(dpmAdaptive, broken, tensor([3]), [10, 0.1], silent)).rejects.toMatchObject({
      code: 'not-a-number',
    })
  })

  test('Restart is Heun below 20 steps', async () => {
    const sigmas = karras({ n: 19, sigmaMin: 0.1, sigmaMax: 10, rho: 7 })
    const x = tensor([3])
    expect(await last(restart, gaussian, x, sigmas, still)).toEqual(await last(heun, gaussian, x, sigmas, silent))
  })

  test('LCM lands on the estimate of its last level', async () => {
    const x = await last(lcm, async (_, sigma) => tensor([sigma]), tensor([3]), [10, 2, 0], silent)
    expect([...x.data]).toEqual([2])
  })
})

describe('with noise', () => {
  const sigmaMax = 8

  async function varianceAfter(
    sampler: Sampler,
    sigmas: readonly number[],
    options: Partial<SamplerOptions>,
    size = 20_000,
  ): Promise<number> {
    const draw = normalStream('cpu', 3)
    const start = draw([size])
    const x: Tensor = { shape: start.shape, data: start.data.map((value) => value * exactAt(sigmas[0]!)) }
    const fresh: NoiseSource = () => draw([size])
    const result = await last(sampler, gaussian, x, sigmas, { ...still, eta: 1, noise: fresh, ...options })
    return result.data.reduce((sum, value) => sum + value ** 2, 0) / size
  }

  const coarse = karras({ n: 40, sigmaMin: 0.3, sigmaMax, rho: 3 }).slice(0, -1)
  const down = karras({ n: 60, sigmaMin: 0.3, sigmaMax, rho: 3 }).slice(0, -1)
  const brownian = (count: number) => {
    const noise = brownianNoise({ source: 'cpu', shape: [count], seeds: [9], sigmaMin: 0.3, sigmaMax })
    return (from: number, to: number): Tensor => ({ shape: [count], data: noise(from, to).data })
  }

  test.each([
    ['Euler a', eulerAncestral],
    ['DPM2 a', dpm2Ancestral],
    ['DPM++ 2S a', dpmpp2sAncestral],
    ['DPM fast', dpmFast],
    ['DPM adaptive', dpmAdaptive],
  ] as const)('%s keeps the variance of the marginals', async (_, sampler) => {
    expect(Math.abs((await varianceAfter(sampler, down, {})) / (1 + 0.3 ** 2) - 1)).toBeLessThan(0.08)
  })

  test.each([
    ['DPM++ SDE', dpmppSde],
    ['DPM++ 2M SDE', dpmpp2mSde],
    ['DPM++ 2M SDE Heun', dpmpp2mSdeHeun],
    ['DPM++ 3M SDE', dpmpp3mSde],
  ] as const)('%s keeps the variance of the marginals along a Brownian motion', async (_, sampler) => {
    const variance = await varianceAfter(sampler, coarse, { noise: brownian(3000) }, 3000)
    expect(Math.abs(variance / (1 + 0.3 ** 2) - 1)).toBeLessThan(0.08)
  })

  test.each([
    ['Euler', euler],
    ['Heun', heun],
    ['DPM2', dpm2],
  ] as const)('%s keeps the variance when churned', async (_, sampler) => {
    const fine = karras({ n: 200, sigmaMin: 0.3, sigmaMax, rho: 3 }).slice(0, -1)
    expect(Math.abs((await varianceAfter(sampler, fine, { sChurn: 30 })) / (1 + 0.3 ** 2) - 1)).toBeLessThan(0.08)
  })

  test.each([20, 36, 41])('Restart of %i steps keeps the variance through its way back up', async (steps) => {
    const sigmas = karras({ n: steps, sigmaMin: 0.03, sigmaMax, rho: 7 })
    let draws = 0
    const draw = normalStream('cpu', 5)
    const noise = () => {
      draws++
      return draw([20_000])
    }
    expect(Math.abs((await varianceAfter(restart, sigmas, { noise })) - 1)).toBeLessThan(0.08)
    expect(draws).toBe(steps >= 36 ? 2 : 1)
  })

  test('Euler draws noise at every step, churned or not', async () => {
    let draws = 0
    const noise = () => {
      draws++
      return tensor([1])
    }
    const x = await last(euler, gaussian, tensor([5]), [5, 2, 1, 0], { ...still, noise })
    expect(draws).toBe(3)
    expect(x).toEqual(await last(euler, gaussian, tensor([5]), [5, 2, 1, 0], silent))
  })
})

describe('beside k-diffusion', () => {
  // Recorded by scripts/goldens/samplers.py, which says what model and noise these are.
  const golden: {
    runs: { sampler: string; sigmas: number[]; options: Record<string, number>; result: number[] }[]
  } = JSON.parse(readFileSync(new URL('../goldens/samplers.json', import.meta.url), 'utf8'))

  const model: Denoise = async (x, sigma) => ({
    shape: x.shape,
    data: x.data.map((value) => (value + (0.3 * Math.sin(value)) / (1 + sigma)) / (1 + sigma ** 2)),
  })

  test.each(
    golden.runs.map(
      (run) => [`${run.sampler}, ${run.sigmas.length - 1} steps, ${JSON.stringify(run.options)}`, run] as const,
    ),
  )('%s ends in the same place', async (_, { sampler: label, sigmas, options, result }) => {
    const sampler = samplers.find((each) => each.label === label)
    if (!sampler || sampler.kind === 'timesteps') throw new Error(`${label} is not a k-sampler`)
    let count = 0
    const isNamed = options.eta !== undefined
    const noise: NoiseSource = (sigma, sigmaNext) => {
      const phase = isNamed ? 7 * sigma + 3 * sigmaNext : count++
      return tensor(result.map((_, i) => Math.sin(i + 1 + phase)))
    }
    const start = tensor(result.map((_, i) => sigmas[0]! * Math.sin(i + 1)))
    const x = await last(sampler.run, model, start, sigmas, {
      noise,
      eta: options.eta ?? 0,
      sNoise: options.s_noise ?? 1,
      sChurn: options.s_churn ?? 0,
      sTmin: options.s_tmin ?? 0,
      sTmax: options.s_tmax ?? 0,
    })
    // Slopes divide float32 differences by σ; adaptive steps carry that into their sizes.
    const tolerance = label === 'DPM adaptive' ? 5e-4 : 5e-5
    result.forEach(
      (value, i) => void expect(Math.abs(x.data[i]! - value)).toBeLessThan(tolerance * (1 + Math.abs(value))),
    )
  })

  test('the recorded runs cover every k-sampler that k-diffusion has', () => {
    const recorded = new Set(golden.runs.map(({ sampler }) => sampler))
    const own = samplers.filter(({ kind, label }) => kind !== 'timesteps' && !['Restart', 'LCM'].includes(label))
    expect(own.filter(({ label }) => !recorded.has(label))).toEqual([])
  })
})
