import { afterAll, expect, test } from 'vitest'
import { openWeights } from '../../src/files/openWeights.ts'
import { readWeight } from '../../src/files/readWeight.ts'
import { fitNetwork } from '../../src/lora/fit.ts'
import { mergeNetworks } from '../../src/lora/merge.ts'
import { mergePlan } from '../../src/lora/mergePlan.ts'
import { openNetwork } from '../../src/lora/network.ts'
import { detectModel } from '../../src/models/detect.ts'
import { compile } from '../../src/runtime/compile.ts'
import { rateGroups, rateOf } from '../../src/train/lora/rates.ts'
import { StepSessions } from '../../src/train/lora/sessions.ts'
import { checkpoint, recordedRun, replay, worst } from './recordedRun.ts'

// Runs that differ in what they are fed only share their graphs.
const sessions = new StepSessions({ threads: 1, limit: 12 })
afterAll(() => sessions.dispose())

/** Steps replayed of each run, its recorded batches; of some only the first, where others show the rest. */
const runs: Readonly<Record<string, number>> = {
  a2: 10,
  b: 2,
  c1_noise_offset: 1,
  c2b_min_snr_gamma1: 2,
  c3_multires: 1,
  c4_ip_noise: 1,
  c5_huber: 1,
  c6_debiased: 2,
  d_maxnorm: 1,
  f_reg: 4,
  g_lion: 2,
  g_dadaptadam: 2,
  g_schedulefree: 2,
  h1_vpred_scaled: 2,
  l_clip: 2,
  m_te150_clip2: 1,
  s_te_only: 1,
}

test.each(Object.entries(runs))('%s: losses, gradients and parameters are kohya’s', async (name, count) => {
  const run = recordedRun(name)
  const current = replay(run, sessions)
  for await (const step of current.steps(count)) {
    const recorded = run.steps[step.step - 1]!
    // The first steps differ by rounding alone; later ones start from parameters that differ so.
    const tolerance = step.step === 1 ? 1e-4 : 1e-3
    expect(Math.abs(step.loss / recorded.loss - 1), `loss of step ${step.step}`).toBeLessThan(tolerance)
    expect(Math.abs(step.gradientNorm / recorded.grad_norm_before_clip - 1)).toBeLessThan(tolerance)
    const key = String(step.step).padStart(3, '0')
    const parameters = worst(run, `params${key}`, (tensor) => current.network.get(tensor))
    expect(parameters.error, parameters.name).toBeLessThan(1e-3)
  }
})

test.each(['a2', 'b', 'c3_multires', 'f_reg', 'h1_vpred_scaled', 'm_te150_clip2', 's_te_only'])(
  '%s: the gradient of every tensor is kohya’s',
  async (name) => {
    const run = recordedRun(name)
    const { learner, state, batch } = replay(run, sessions)
    const results = await learner.run({ ...(await learner.feeds(batch(1))), ...Object.fromEntries(state.parameters) })
    const gradients = worst(run, 'grads001', (tensor) => results[`d ${tensor}`])
    expect(gradients.count).toBeGreaterThan(10)
    expect(gradients.error, gradients.name).toBeLessThan(1e-4)
  },
)

test.each(['g_adafactor', 'g_prodigy', 'g_sgdnesterov', 'g_lion'])(
  '%s: recorded gradients move parameters where kohya’s optimizer moves them',
  async (name) => {
    const run = recordedRun(name)
    const { settings, modules, network, args } = replay(run, sessions)
    const names = [...network.keys()].filter((tensor) => run.tensors.has(`grads002.${tensor}`))
    const optimizer = settings.optimizer.make(names.map((tensor) => network.get(tensor)!))
    const rate = rateOf(rateGroups(modules, settings))
    let compared = 0
    for (let step = 1; run.tensors.has(`${key('grads', step)}.${names[0]}`); step++) {
      const gradients = names.map((tensor) => readWeight(run.tensors.get(`${key('grads', step)}.${tensor}`)!).data)
      // Prodigy's distance is that of all parameters, of which a sixth is kept here; it is still at its first guess.
      optimizer.step(gradients, names.map(rate))
      const { count, error, name: at } = worst(run, key('params', step), (tensor) => network.get(tensor))
      compared += count
      expect(error, `${at} after ${step}`).toBeLessThan(1e-4)
    }
    expect(compared).toBeGreaterThan(20)
    expect(args.lr_scheduler).toBe('constant')
  },
)

test('z_baseweights: what is learnt is the difference from a model with another network in it', async () => {
  const run = recordedRun('z_baseweights')
  const { weights } = detectModel(openWeights(checkpoint))
  const path = new URL('../golden-training/tools/input.a.safetensors', import.meta.url).pathname
  const network = fitNetwork(openNetwork(openWeights(path)), weights)
  const plan = mergePlan([{ network, text: 0.7, unet: 0.7 }])
  const merged = await mergeNetworks(weights, plan, (graph) => compile(graph, { residence: 'mapped', threads: 1 }))
  const own = new StepSessions({ threads: 1 })
  const { learner, state, batch } = replay(run, own, merged)
  // The network begins as no change, whatever its down matrices were.
  const { loss } = await learner.run(
    { ...(await learner.feeds(batch(1))), ...Object.fromEntries(state.parameters) },
    true,
  )
  await own.dispose()
  expect(Math.abs(loss!.data[0]! / run.steps[0]!.loss - 1)).toBeLessThan(1e-4)
})

test('a mask of transparency counts where the picture is opaque', async () => {
  const run = recordedRun('p_alphamask')
  const { learner, state, batch } = replay(run, sessions)
  const masked = batch(7)
  const { errors } = await learner.run(
    { ...(await learner.feeds(masked)), ...Object.fromEntries(state.parameters) },
    true,
  )
  const { mask, ...rest } = masked
  const plain = await learner.run({ ...(await learner.feeds(rest)), ...Object.fromEntries(state.parameters) }, true)
  const recorded = readWeight(run.tensors.get('batch007.loss_per_sample_before_weighting')!).data
  expect(mask!.data.some((x) => x < 0.9)).toBe(true)
  // Recorded after six steps of training, which move the loss by little, as the mask moves it by a lot.
  for (const [i, error] of [...errors!.data].entries()) expect(Math.abs(error / recorded[i]! - 1)).toBeLessThan(0.02)
  const unlike = [...plain.errors!.data].map((error, i) => Math.abs(error / recorded[i]! - 1))
  expect(Math.max(...unlike)).toBeGreaterThan(0.2)
})

function key(kind: string, step: number): string {
  return `${kind}${String(step).padStart(3, '0')}`
}
