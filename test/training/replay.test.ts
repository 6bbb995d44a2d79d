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
import { checkpoint, recordedBatch, recordedRun, replay, worst } from './recordedRun.ts'
import { redrawnBatches } from './redrawn.ts'

// Runs that differ in what they are fed only share their graphs.
const sessions = new StepSessions({ threads: 1, limit: 12 })
afterAll(() => sessions.dispose())

/**
 * Steps replayed of each run; of some only the first, where others show the rest. Where fewer batches were recorded,
 * those after are drawn anew from the generator, of which so many numbers were drawn before the first.
 */
const runs: Readonly<Record<string, { readonly steps: number; readonly drawn?: number }>> = {
  a2: { steps: 10, drawn: 26_269_423 },
  b: { steps: 2 },
  c1_noise_offset: { steps: 1 },
  c2b_min_snr_gamma1: { steps: 2 },
  c3_multires: { steps: 1 },
  c4_ip_noise: { steps: 1 },
  c5_huber: { steps: 1 },
  c6_debiased: { steps: 2 },
  d_maxnorm: { steps: 1 },
  d1_maxnorm1: { steps: 10, drawn: 26_164_399 },
  f_reg: { steps: 4 },
  g_adafactor: { steps: 10, drawn: 26_164_399 },
  g_dadaptadam: { steps: 10, drawn: 26_164_399 },
  g_lion: { steps: 10, drawn: 26_164_399 },
  g_prodigy: { steps: 10, drawn: 26_164_399 },
  g_schedulefree: { steps: 10, drawn: 26_164_399 },
  g_sgdnesterov: { steps: 10, drawn: 26_164_399 },
  h1_vpred_scaled: { steps: 2 },
  k1_epochs: { steps: 48, drawn: 26_164_399 },
  l_clip: { steps: 5, drawn: 26_164_399 },
  m_te150_clip2: { steps: 1 },
  s_te_only: { steps: 3, drawn: 26_269_423 },
  t_gradckpt: { steps: 2, drawn: 26_269_423 },
}

// Most of it is opening graphs of each size, where a machine has little time for it.
const longest = 900_000

test.each(Object.entries(runs))(
  '%s: losses, gradients and parameters are kohya’s',
  async (name, { steps, drawn }) => {
    const run = recordedRun(name)
    const current = replay(run, sessions, drawn === undefined ? {} : { batch: redrawnBatches(run, drawn) })
    for await (const step of current.steps(steps)) {
      const recorded = run.steps[step.step - 1]!
      // The first steps differ by rounding alone; later ones start from parameters that differ so.
      const tolerance = step.step === 1 ? 1e-4 : 1e-3
      expect(Math.abs(step.loss / recorded.loss - 1), `loss of step ${step.step}`).toBeLessThan(tolerance)
      expect(Math.abs(step.gradientNorm / recorded.grad_norm_before_clip - 1)).toBeLessThan(tolerance)
      const parameters = worst(run, key('params', step.step), (tensor) => current.network.get(tensor))
      expect(parameters.error, `${parameters.name} after ${step.step}`).toBeLessThan(1e-3)
    }
  },
  longest,
)

test.each(Object.entries(runs).filter(([, { drawn }]) => drawn !== undefined))(
  '%s: batches drawn anew are those recorded, as far as these go, and all their timesteps',
  (name, { drawn }) => {
    const run = recordedRun(name)
    const redrawn = redrawnBatches(run, drawn!)
    for (let number = 1; number <= run.batches; number++) {
      const [ours, theirs] = [redrawn(number), recordedBatch(run, number)]
      expect(ours.tokens).toEqual(theirs.tokens)
      for (const [found, expected] of [
        [ours.latents, theirs.latents],
        [ours.noise.noise, theirs.noise.noise],
      ] as const) {
        expect(found.shape).toEqual(expected.shape)
        expect(Math.max(...found.data.map((x, i) => Math.abs(x - expected.data[i]!)))).toBeLessThan(1e-5)
      }
    }
    expect(run.steps.map((_, i) => redrawn(i + 1).timesteps)).toEqual(run.steps.map(({ timesteps }) => timesteps))
  },
)

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
  const { learner, state, batch } = replay(run, own, { changed: merged })
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
