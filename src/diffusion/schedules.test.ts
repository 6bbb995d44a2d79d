import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { betaQuantile } from './betaDistribution.ts'
import { alphasCumprod, downcast, withZeroTerminalSnr } from './betas.ts'
import { lcmLevels, noiseLevels, noiseRemoved } from './noiseLevels.ts'
import { karras, type ScheduleLabel, type ScheduleOptions, scheduleList, spaceSigmas } from './schedules.ts'

// Recorded by scripts/goldens/schedules.py.
const golden: {
  alphasCumprod: Record<string, number>
  sigmas: Record<string, number>
  timesteps: { sigmas: number[]; exact: number[]; whole: number[] }
  sigmaAt: { timesteps: number[]; sigmas: number[] }
  uniform: Record<string, number[]>
  karras: Record<string, number[]>
  karrasRho3: number[]
  exponential: Record<string, number[]>
  polyexponential: number[]
  betaQuantiles: [number, number, number, number][]
} = JSON.parse(readFileSync(new URL('goldens/schedules.json', import.meta.url), 'utf8'))

const alphas = alphasCumprod({ start: 0.00085, end: 0.012, timesteps: 1000 })
const levels = noiseLevels(alphas)
const defaults: ScheduleOptions = {
  sigmaMin: 0,
  sigmaMax: 0,
  rho: 0,
  betaAlpha: 0.6,
  betaBeta: 0.6,
  useOldKarrasSigmas: false,
}
const space = (label: ScheduleLabel, n: number, options: Partial<ScheduleOptions> = {}) =>
  spaceSigmas(label, n, levels, { ...defaults, ...options })

function expectClose(actual: readonly number[], expected: readonly number[], relative = 1e-6) {
  expect(actual.length).toBe(expected.length)
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(relative * Math.max(Math.abs(value), 1e-3))
  }
}

describe('levels of training', () => {
  test('are those of k-diffusion', () => {
    for (const [t, alpha] of Object.entries(golden.alphasCumprod)) expectClose([alphas[Number(t)]!], [alpha])
    for (const [t, sigma] of Object.entries(golden.sigmas)) expectClose([levels.sigmas[Number(t)]!], [sigma])
  })

  test('are found between their timesteps, or at the nearest', () => {
    const { sigmas, exact, whole } = golden.timesteps
    const quantized = noiseLevels(alphas, true)
    expectClose(
      sigmas.map((sigma) => levels.timestepOf(sigma)),
      exact,
      1e-4,
    )
    expect(sigmas.map((sigma) => quantized.timestepOf(sigma))).toEqual(whole)
    expectClose(
      golden.sigmaAt.timesteps.map((t) => levels.sigmaAt(t)),
      golden.sigmaAt.sigmas,
    )
  })

  test('end in noise alone with zero terminal SNR', () => {
    const rescaled = withZeroTerminalSnr(alphas)
    expect(rescaled[0]).toBeCloseTo(alphas[0]!, 6)
    expect(rescaled[999]).toBeCloseTo(4.8973451890853435e-8, 14)
    expect(noiseLevels(rescaled).sigmas[999]).toBeCloseTo(4518.7, 0)
    const [first, last] = [Math.sqrt(alphas[0]!), Math.sqrt(alphas[999]!)]
    const expected = ((Math.sqrt(alphas[500]!) - last) * (first / (first - last))) ** 2
    expect(rescaled[500]).toBeCloseTo(expected, 6)
  })

  test('are half-precision numbers when downcast', () => {
    const halves = downcast(alphas)
    expect(halves[0]).toBe(0.9990234375)
    expect(halves[999]! * 2 ** 18).toBe(Math.round(alphas[999]! * 2 ** 18))
  })

  test('of consistency models are every twentieth, from 19 on', () => {
    const lcm = lcmLevels(levels)
    expect(lcm.sigmas.length).toBe(50)
    expect(lcm.sigmas[0]).toBe(levels.sigmas[19])
    expect(lcm.sigmas[49]).toBe(levels.sigmas[999])
    expect(lcm.timestepOf(levels.sigmas[19]!)).toBe(19)
    expect(lcm.timestepOf(levels.sigmas[506]!)).toBe(499)
    expect(lcm.sigmaAt(999)).toBeCloseTo(levels.sigmas[999]!, 4)
    expect(lcm.sigmaAt(3)).toBeCloseTo(levels.sigmas[19]!, 6)
  })

  test('tell how much of the noise is gone', () => {
    expect(noiseRemoved(levels, 100)).toBe(0)
    expect(noiseRemoved(levels, levels.sigmas[199]!)).toBe(0.8)
    expect(noiseRemoved(levels, 0)).toBe(0.999)
  })
})

describe('schedules', () => {
  test.each(['1', '2', '8', '21'])('of %s steps are those of k-diffusion', (n) => {
    expectClose(space('Uniform', Number(n)), golden.uniform[n]!)
    expectClose(space('Karras', Number(n)), golden.karras[n]!)
    expectClose(space('Exponential', Number(n)), golden.exponential[n]!)
  })

  test('obey their options', () => {
    expectClose(space('Karras', 8, { rho: 3, useOldKarrasSigmas: true }), golden.karrasRho3)
    expectClose(space('Karras', 8, { rho: 3, sigmaMin: 0.1, sigmaMax: 10 }), golden.karrasRho3)
    expectClose(space('Polyexponential', 8, { rho: 2 }), golden.polyexponential)
    expectClose(space('Polyexponential', 8), golden.exponential[8]!)
    expect(space('Exponential', 8, { rho: 3 })).toEqual(space('Exponential', 8))
  })

  test('KL Optimal is even in the arc tangent and keeps its last level', () => {
    const sigmas = space('KL Optimal', 5)
    expect(sigmas.length).toBe(6)
    const angles = sigmas.map(Math.atan)
    for (let i = 1; i < 6; i++) expect(angles[i - 1]! - angles[i]!).toBeCloseTo((angles[0]! - angles[5]!) / 5, 6)
    expectClose([sigmas[0]!, sigmas[5]!], [levels.sigmas[999]!, levels.sigmas[0]!], 1e-5)
  })

  test('Align Your Steps keeps its eleven levels and runs straight between their logarithms', () => {
    expectClose(space('Align Your Steps', 11).slice(0, 3), [14.615, 6.475, 3.861])
    const finer = space('Align Your Steps', 21)
    expectClose([finer[0]!, finer[1]!, finer[2]!], [14.615, Math.sqrt(14.615 * 6.475), 6.475])
    expectClose(space('Align Your Steps', 1), [0.029, 0])
  })

  test('Simple and DDIM pick trained levels', () => {
    expectClose(space('Simple', 4), [999, 749, 499, 249].map((t) => levels.sigmas[t]!).concat(0))
    expectClose(space('DDIM', 4), [751, 501, 251, 1].map((t) => levels.sigmas[t]!).concat(0))
    expect(space('DDIM', 30).length).toBe(32)
  })

  test('SGM Uniform leaves out the last of its even timesteps, Normal does not', () => {
    expectClose(space('Normal', 4), space('Uniform', 4), 1e-4)
    expectClose(space('SGM Uniform', 3), [...space('Normal', 4).slice(0, 3), 0], 1e-5)
  })

  test('Beta spreads SciPy’s quantiles over σ', () => {
    for (const [p, a, b, x] of golden.betaQuantiles) expect(betaQuantile(p, a, b)).toBeCloseTo(x, 9)
    const sigmas = space('Beta', 5, { betaAlpha: 0.5, betaBeta: 0.5 })
    const [low, high] = [levels.sigmas[0]!, levels.sigmas[999]!]
    expectClose(
      sigmas,
      [1, 0.75, 0.5, 0.25, 0].map((p) => low + Math.sin((Math.PI / 2) * p) ** 2 * (high - low)).concat(0),
    )
  })

  test.each(scheduleList.map(({ label }) => label))('%s descends, whatever the number of steps', (label) => {
    for (const n of [0, 1, 2, 3, 7, 20, 33, 150]) {
      const sigmas = space(label, n)
      expect(sigmas.every((sigma, i) => i === 0 || sigma < sigmas[i - 1]!)).toBe(true)
      expect(sigmas.every(Number.isFinite)).toBe(true)
    }
  })

  test('a range that is none is refused by name', () => {
    expect(() => space('Karras', 8, { sigmaMin: -1 })).toThrow('sigma_min')
  })

  test('karras is a schedule without a model too', () => {
    const sigmas = karras({ n: 3, sigmaMin: 0.1, sigmaMax: 10, rho: 1 })
    expectClose(sigmas, [10, 5.05, 0.1, 0], 1e-5)
  })
})
