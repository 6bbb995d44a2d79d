import { describe, expect, test } from 'vitest'
import { combine } from '../tensor/combine.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { alphasCumprod } from './betas.ts'
import { brownianNoise, sharedBrownianNoise } from './brownian.ts'
import { noiseLevels } from './noiseLevels.ts'
import { planSampling, type RunOptions, type SamplingPlan, type SamplingRequest } from './plan.ts'
import { dpmpp2mSde } from './samplers/dpmpp2mSde.ts'
import { resolveSampler, samplers } from './samplers/index.ts'
import type { Denoise } from './samplers/sampler.ts'
import { scheduleList, spaceSigmas } from './schedules.ts'

const levels = noiseLevels(alphasCumprod({ start: 0.00085, end: 0.012, timesteps: 1000 }))
const schedule = { sigmaMin: 0, sigmaMax: 0, rho: 0, betaAlpha: 0.6, betaBeta: 0.6, useOldKarrasSigmas: false }

function plan(sampler: string, steps: number, options: Partial<SamplingRequest> = {}): SamplingPlan {
  return planSampling({
    choice: resolveSampler(sampler, 'Automatic'),
    steps,
    levels,
    schedule,
    discardsPenultimate: false,
    usesSgmNoiseMultiplier: false,
    ...options,
  })
}

/** Runs with a model that always says the same; counts its calls and the draws of noise. */
async function walk(planned: SamplingPlan, x: Tensor, changed: Partial<RunOptions> = {}) {
  let calls = 0
  let draws = 0
  let steps = 0
  const options: RunOptions = {
    source: () => ({
      model: {
        predict: async (input) => {
          calls++
          return { shape: input.shape, data: input.data.map((value) => 0.5 * value) }
        },
        prediction: 'epsilon',
        levels,
      },
      cond: [[{ context: tensor([1], [1, 1]), weight: 1 }]],
      uncond: [tensor([1], [1, 1])],
    }),
    guidance: {
      cfgScale: 7,
      minSigmaUncond: 0,
      minSigmaUncondAlways: false,
      skipEarlyCond: 0,
      batched: true,
      blend: undefined,
    },
    draw: () => {
      draws++
      return tensor(Array<number>(16).fill(0.1), [1, 1, 4, 4])
    },
    brownian: { source: 'cpu', seeds: [1], isShared: false },
    eta: 1,
    churn: { sChurn: 0, sTmin: 0, sTmax: Number.POSITIVE_INFINITY, sNoise: 1 },
    unipc: { variant: 'bh1', skipType: 'time_uniform', order: 3, lowerOrderFinal: true },
    ...changed,
  }
  for await (const step of planned.run(x, options)) {
    x = step.x
    steps++
  }
  return { x, calls, draws, steps }
}

const one = tensor(Array<number>(16).fill(1), [1, 1, 4, 4])

describe('names', () => {
  test.each([
    ['DPM++ 2M', 'Automatic', 'DPM++ 2M', 'Automatic', 'Karras'],
    ['DPM++ 2M', 'Karras', 'DPM++ 2M', 'Automatic', 'Karras'],
    ['DPM++ 2M Karras', 'Automatic', 'DPM++ 2M', 'Automatic', 'Karras'],
    ['DPM++ 2M SDE Exponential', 'Uniform', 'DPM++ 2M SDE', 'Automatic', 'Exponential'],
    ['DPM++ 2M SDE Karras', '', 'DPM++ 2M SDE', 'Karras', 'Karras'],
    ['Euler a', 'sgm_uniform', 'Euler a', 'SGM Uniform', 'SGM Uniform'],
    ['Euler a SGMUniform', 'Automatic', 'Euler a', 'SGM Uniform', 'SGM Uniform'],
    ['Euler Automatic', 'Karras', 'Euler', 'Automatic', undefined],
    ['Euler', 'SGMUniform', 'Euler', 'Automatic', undefined],
    ['Euler', 'karras', 'Euler', 'Karras', 'Karras'],
    ['DDIM', 'DDIM', 'DDIM', 'DDIM', 'DDIM'],
    ['k_euler', 'Automatic', 'DPM++ 2M', 'Automatic', 'Karras'],
    ['euler a', 'nonsense', 'DPM++ 2M', 'Automatic', 'Karras'],
  ])('%s with %s is %s, %s', (name, scheduler, label, chosen, spacing) => {
    const choice = resolveSampler(name, scheduler)
    expect([choice.sampler.label, choice.scheduler, choice.schedule]).toEqual([label, chosen, spacing])
  })

  test('there are twenty, each once', () => {
    expect(new Set(samplers.map(({ label }) => label)).size).toBe(20)
  })
})

describe('from noise', () => {
  test('k-samplers start at the first σ, timestep samplers from the noise as it is', () => {
    expect(plan('Euler', 8).start(one).data[0]).toBeCloseTo(14.6146, 3)
    expect(plan('Euler', 8, { usesSgmNoiseMultiplier: true }).start(one).data[0]).toBeCloseTo(Math.hypot(1, 14.6146), 3)
    expect(plan('DDIM', 8).start(one)).toEqual(one)
  })

  test('the level before 0 is left out where the sampler or the caller wants it so', () => {
    const nine = spaceSigmas('Karras', 9, levels, schedule)
    expect(plan('DPM2', 8).levels).toEqual([...nine.slice(0, 8), 0])
    expect(plan('DPM++ 2M', 8, { discardsPenultimate: true }).levels).toEqual([...nine.slice(0, 8), 0])
  })

  test('timesteps are DDIM’s, more than asked where the steps do not divide 1000', () => {
    expect(plan('DDIM', 4).levels).toEqual([1, 251, 501, 751])
    expect(plan('DDIM', 30).levels.length).toBe(31)
    expect(plan('DDIM', 1).levels).toEqual([1])
  })

  test('samplers with a spacing of their own span all levels, and start where the schedule does', () => {
    const planned = plan('DPM fast', 8, {
      schedule: { ...schedule, sigmaMax: 10 },
      choice: resolveSampler('DPM fast', 'Karras'),
    })
    expect(planned.levels.length).toBe(9)
    expect(planned.levels[0]).toBeCloseTo(14.6146, 3)
    expect(planned.levels.at(-1)).toBeCloseTo(0.02917, 4)
    expect(planned.start(one).data[0]).toBeCloseTo(10, 5)
  })

  // Model calls and draws of noise at eight steps.
  test.each([
    ['DPM++ 2M', 8, 0],
    ['DPM++ SDE', 15, 0],
    ['DPM++ 2M SDE', 8, 0],
    ['DPM++ 2M SDE Heun', 8, 0],
    ['DPM++ 2S a', 15, 7],
    ['DPM++ 3M SDE', 8, 0],
    ['Euler a', 8, 7],
    ['Euler', 8, 8],
    ['LMS', 8, 0],
    ['Heun', 15, 8],
    ['DPM2', 15, 8],
    ['DPM2 a', 15, 7],
    ['DPM fast', 8, 3],
    ['Restart', 15, 0],
    ['DDIM', 7, 7],
    ['DDIM CFG++', 7, 7],
    ['PLMS', 8, 0],
    ['UniPC', 8, 0],
    ['LCM', 8, 7],
  ])('%s of 8 steps makes %i calls and %i draws', async (label, calls, draws) => {
    const planned = plan(label, 8)
    expect(await walk(planned, planned.start(one))).toMatchObject({ calls, draws })
  })

  test.each(
    samplers.flatMap(({ label }) => ['Automatic', ...scheduleList.map((each) => each.label)].map((s) => [label, s])),
  )('%s with %s makes a finite latent of one, two and three steps, from noise and from a picture', async (label, s) => {
    const starts = [undefined, { denoisingStrength: 0.4, fixSteps: false }, { denoisingStrength: 0.6, fixSteps: true }]
    for (const steps of [1, 2, 3]) {
      for (const img2img of starts) {
        const choice = resolveSampler(label!, s!)
        const planned = plan(label!, steps, { choice, ...(img2img && { img2img }) })
        const { x } = await walk(planned, planned.start(one, img2img && one))
        expect([steps, img2img, x.data.every(Number.isFinite)]).toEqual([steps, img2img, true])
      }
    }
  })
})

describe('from a picture', () => {
  const img2img = (denoisingStrength: number, fixSteps = false) => ({ img2img: { denoisingStrength, fixSteps } })

  test.each([
    [0.75, 20, 16],
    [0.3, 8, 3],
    [0, 8, 1],
    [1, 8, 8],
  ])('strength %d of %i steps runs %i', (strength, steps, run) => {
    const planned = plan('Euler', steps, img2img(strength))
    const all = plan('Euler', steps).levels
    expect(planned.steps).toBe(run)
    expect(planned.levels).toEqual(all.slice(all.length - run - 1))
    expect(planned.start(one, one, 0.25).data[0]).toBeCloseTo(1 + planned.levels[0]! + 0.25, 4)
  })

  test('fixed steps are the end of a longer schedule', () => {
    const planned = plan('Euler', 8, img2img(0.6, true))
    expect(planned.steps).toBe(8)
    expect(planned.levels).toEqual(plan('Euler', 13).levels.slice(-9))
  })

  test.each(samplers.map(({ label }) => label))(
    '%s with fixed steps and strength 0 leaves the picture as it is',
    async (label) => {
      const planned = plan(label, 8, img2img(0, true))
      const { x, calls } = await walk(planned, planned.start(one, one))
      expect(calls).toBe(0)
      expect(x.data[0]).toBeCloseTo(1, 6)
    },
  )

  test('timestep samplers noise the picture to the timestep above those they walk', () => {
    const planned = plan('DDIM', 8, img2img(0.5))
    expect(planned.levels).toEqual([1, 126, 251, 376])
    const alpha = levels.alphasCumprod[501]!
    const start = planned.start(tensor([2]), tensor([3]), 0.5)
    expect(start.data[0]).toBeCloseTo(3 * Math.sqrt(alpha) + 2 * Math.sqrt(1 - alpha) + 0.5 * 2 * Math.sqrt(alpha), 4)
  })

  test('samplers with a spacing of their own go from the first level to the last above 0', () => {
    const planned = plan('DPM fast', 8, img2img(0.5))
    const part = plan('Euler', 8, img2img(0.5)).levels
    expect(planned.levels.length).toBe(part.length)
    expect(planned.levels[0]).toBe(part[0])
    expect(planned.levels.at(-1)).toBeCloseTo(part.at(-2)!, 8)
  })

  test.each([false, true])(
    'a Brownian motion spans the whole schedule, a shared one what is walked: %s',
    async (isShared) => {
      const part = plan('DPM++ 2M SDE', 8, img2img(0.5))
      const spanned = isShared ? part.levels : plan('DPM++ 2M SDE', 8).levels
      const motion = (isShared ? sharedBrownianNoise : brownianNoise)({
        source: 'cpu',
        shape: [1, 4, 4],
        seeds: [1],
        sigmaMin: spanned.at(-2)!,
        sigmaMax: spanned[0]!,
      })
      const start = part.start(one, one)
      const denoise: Denoise = async (x, sigma) => combine([1 - (0.5 * sigma) / Math.hypot(sigma, 1), x])
      const options = { noise: motion, eta: 1, sNoise: 1, sChurn: 0, sTmin: 0, sTmax: 0 }
      let expected = start
      for await (const step of dpmpp2mSde(denoise, start, part.levels, options)) expected = step.x
      const { x } = await walk(part, start, { brownian: { source: 'cpu', seeds: [1], isShared } })
      x.data.forEach((value, i) => void expect(value).toBeCloseTo(expected.data[i]!, 4))
    },
  )
})
