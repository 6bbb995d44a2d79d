import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type LrScheduleName, type LrScheduleOptions, lrSchedule } from './lrSchedule.ts'

/** Rates used at each of 50 steps, recorded from the schedules of diffusers and transformers. */
interface Recorded {
  readonly base_lrs: readonly number[]
  readonly max_train_steps: number
  readonly lr_used_at_step: readonly (readonly number[])[]
}
const recorded = JSON.parse(readFileSync(new URL('./goldens/lr_schedules.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Recorded>
>

const defaults: LrScheduleOptions = {
  name: 'constant',
  totalSteps: 50,
  warmupSteps: 0,
  cycles: 1,
  power: 1,
  timescale: undefined,
  minRatio: 0,
  decaySteps: 0,
  baseRate: 1,
  pieces: { until: [], last: 1 },
}

const cases: readonly (readonly [string, LrScheduleName, Partial<LrScheduleOptions>])[] = [
  ['constant', 'constant', {}],
  ['constant_with_warmup', 'constant_with_warmup', { warmupSteps: 5 }],
  ['linear', 'linear', { warmupSteps: 5 }],
  ['linear_nowarm', 'linear', {}],
  ['cosine', 'cosine', { warmupSteps: 5 }],
  ['cosine_nowarm', 'cosine', {}],
  ['cosine_with_restarts', 'cosine_with_restarts', { warmupSteps: 6, cycles: 2 }],
  ['cosine_with_restarts_3', 'cosine_with_restarts', { cycles: 3 }],
  ['polynomial', 'polynomial', { warmupSteps: 5, power: 2, baseRate: 1e-3 }],
  ['polynomial_p1', 'polynomial', { baseRate: 1e-3 }],
  ['inverse_sqrt', 'inverse_sqrt', { warmupSteps: 5 }],
  ['cosine_with_min_lr', 'cosine_with_min_lr', { warmupSteps: 5, minRatio: 0.1 }],
  ['warmup_stable_decay', 'warmup_stable_decay', { warmupSteps: 5, decaySteps: 10, minRatio: 0.1 }],
  [
    'piecewise_constant',
    'piecewise_constant',
    {
      pieces: {
        until: [
          { step: 10, factor: 1 },
          { step: 20, factor: 0.1 },
          { step: 30, factor: 0.01 },
        ],
        last: 0.005,
      },
    },
  ],
]

test.each(cases)('%s gives the recorded rates', (key, name, options) => {
  const { base_lrs, lr_used_at_step, max_train_steps } = recorded[key]!
  const schedule = lrSchedule({ ...defaults, ...options, name, totalSteps: max_train_steps })
  lr_used_at_step.forEach((rates, step) => {
    base_lrs.forEach((base, group) => {
      expect(schedule(step) * base).toBeCloseTo(rates[group]!, 12)
    })
  })
})

test('a constant schedule refuses a warm-up', () => {
  expect(() => lrSchedule({ ...defaults, warmupSteps: 3 })).toThrow('lr_warmup_steps: 3 steps')
})
