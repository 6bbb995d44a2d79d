import { expect, test } from 'vitest'
import { openWeights } from '../../files/openWeights.ts'
import { readWeight } from '../../files/readWeight.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { adafactor } from './adafactor.ts'
import { adam, rmsprop } from './adam.ts'
import { adamw } from './adamw.ts'
import { dAdaptAdam, dAdaptAdamPreprint, dAdaptAdan, dAdaptLion, dAdaptSgd } from './dAdaptation.ts'
import { lion } from './lion.ts'
import type { Optimizer } from './optimizer.ts'
import { prodigy } from './prodigy.ts'
import { adamwScheduleFree, radamScheduleFree, sgdScheduleFree } from './scheduleFree.ts'
import { sgdNesterov } from './sgdNesterov.ts'

// Recorded from torch, lion-pytorch, transformers, prodigyopt, dadaptation and schedulefree: 4 parameters, 20 gradients, the parameters after some steps.
const { entries } = openWeights(new URL('../goldens/optimizers.safetensors', import.meta.url).pathname)
const recorded = (name: string) => readWeight(entries.get(name)!)
const two = (step: number) => String(step).padStart(2, '0')

const fixed = { relativeStep: false, scaleParameter: false }
const cases: Readonly<Record<string, readonly [rate: number, (p: readonly Tensor[]) => Optimizer]>> = {
  AdamW: [1e-2, (p) => adamw(p)],
  'AdamW_wd0.1_betas': [1e-2, (p) => adamw(p, { weightDecay: 0.1, beta2: 0.95, epsilon: 1e-6 })],
  Lion: [1e-3, (p) => lion(p)],
  Lion_wd: [1e-3, (p) => lion(p, { weightDecay: 0.1, beta1: 0.95, beta2: 0.98 })],
  SGDNesterov: [1e-2, (p) => sgdNesterov(p)],
  'SGDNesterov_m0.5': [1e-2, (p) => sgdNesterov(p, { momentum: 0.5, weightDecay: 0.01 })],
  Adafactor_fixed: [1e-2, (p) => adafactor(p, fixed)],
  Adafactor_fixed_scale: [1e-2, (p) => adafactor(p, { ...fixed, scaleParameter: true })],
  Adafactor_relative: [1e-2, (p) => adafactor(p)],
  Adafactor_relative_warm: [1e-2, (p) => adafactor(p, { warmupInit: true })],
  Adafactor_beta1_wd: [1e-2, (p) => adafactor(p, { ...fixed, beta1: 0.9, weightDecay: 0.01 })],
  Prodigy: [1, (p) => prodigy(p)],
  Prodigy_full: [
    1,
    (p) => prodigy(p, { weightDecay: 0.01, dCoef: 2, useBiasCorrection: true, safeguardWarmup: true, beta2: 0.99 }),
  ],
  DAdaptAdam: [1, (p) => dAdaptAdam(p)],
  DAdaptAdam_decouple: [1, (p) => dAdaptAdam(p, { decouple: true, weightDecay: 0.01 })],
  DAdaptation: [1, (p) => dAdaptAdamPreprint(p)],
  DAdaptLion: [1, (p) => dAdaptLion(p)],
  DAdaptSGD: [1, (p) => dAdaptSgd(p)],
  DAdaptAdan: [1, (p) => dAdaptAdan(p)],
  AdamWScheduleFree: [1e-2, (p) => adamwScheduleFree(p)],
  AdamWScheduleFree_warm: [1e-2, (p) => adamwScheduleFree(p, { warmupSteps: 3 })],
  RAdamScheduleFree: [1e-2, (p) => radamScheduleFree(p)],
  SGDScheduleFree: [0.1, (p) => sgdScheduleFree(p)],
  RMSprop: [1e-2, (p) => rmsprop(p)],
  Adam: [1e-2, (p) => adam(p)],
}

const copyOf = ({ shape, data }: Tensor): Tensor => ({ shape, data: data.slice() })
const indices = [0, 1, 2, 3]

function run(name: string, steps: number, resumeAt?: number): readonly Tensor[] {
  const [rate, make] = cases[name]!
  const parameters = indices.map((i) => copyOf(recorded(`init.p${i}`)))
  let optimizer = make(parameters)
  for (let step = 1; step <= steps; step++) {
    if (step === resumeAt) {
      const { tensors, numbers } = structuredClone({ ...optimizer.state })
      optimizer = make(parameters)
      for (const [key, values] of tensors) optimizer.state.tensors.get(key)!.set(values)
      Object.assign(optimizer.state.numbers, numbers)
    }
    const gradients = indices.map((i) => recorded(`grad.${two(step)}.p${i}`).data)
    optimizer.step(gradients, [rate, rate, rate, rate])
  }
  const evaluated = optimizer.evaluated?.()
  return evaluated ? parameters.map(({ shape }, i) => ({ shape, data: evaluated[i]! })) : parameters
}

test.each(Object.keys(cases))('%s moves parameters as the recorded one', (name) => {
  for (const steps of [1, 2, 3, 10, 20]) {
    for (const [i, parameter] of run(name, steps).entries()) {
      const expected = recorded(`${name}.${two(steps)}.p${i}`).data
      const size = Math.max(...expected.map(Math.abs))
      parameter.data.forEach((value, at) => {
        expect(Math.abs(value - expected[at]!)).toBeLessThanOrEqual(2e-6 * size)
      })
    }
  }
})

test.each(Object.keys(cases))('%s goes on from its saved state bit for bit', (name) => {
  expect(run(name, 12, 7)).toEqual(run(name, 12))
})
