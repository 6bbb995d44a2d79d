import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { rows, type Tensor } from '../tensor/tensor.ts'
import { alphasCumprod } from './betas.ts'
import { latentConsistency, type Parameterization, varianceExploding, variancePreserving } from './denoiser.ts'
import type { Model, Predict } from './guidance.ts'
import { imageNoise } from './noise.ts'
import { noiseLevels } from './noiseLevels.ts'
import { planSampling, type SamplingPlan } from './plan.ts'
import { resolveSampler } from './samplers/index.ts'

// The reference web UI recorded every tensor of these runs. The model's recorded answers are played back; what this
// folder adds (noise, levels, guidance, stepping, blending) has to arrive at the recorded questions and results.

const folder = fileURLToPath(new URL('../../test/golden/', import.meta.url))
const levels = noiseLevels(alphasCumprod({ start: 0.00085, end: 0.012, timesteps: 1000 }))

interface Request {
  readonly width: number
  readonly height: number
  readonly steps: number
  readonly seed: number
  readonly sampler_name: string
  readonly scheduler: string
  readonly cfg_scale: number
  readonly batch_size?: number
  readonly n_iter?: number
  readonly denoising_strength?: number
  readonly init_images?: readonly string[]
  readonly enable_hr?: boolean
  readonly hr_scale?: number
  readonly subseed?: number
  readonly subseed_strength?: number
  readonly seed_resize_from_w?: number
  readonly seed_resize_from_h?: number
  readonly override_settings: { readonly randn_source: 'CPU' | 'NV' }
}

/** The recorded tensors of one case, with counters for those that are numbered. */
class Recording {
  readonly id: string
  readonly request: Request
  readonly #entries
  #calls = 0
  #draws = 0
  #steps = 0
  #unets = 0
  /** The contexts in force: recorded only when they change. */
  cond: readonly Tensor[] = []
  uncond: readonly Tensor[] = []

  constructor(file: string) {
    this.id = file.replace('.safetensors', '')
    this.#entries = openWeights(`${folder}tensors/${file}`).entries
    this.request = JSON.parse(readFileSync(`${folder}requests/${this.id}.json`, 'utf8')).request
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  get(name: string): Tensor {
    const entry = this.#entries.get(name)
    if (!entry) throw new Error(`${this.id}: ${name} was not recorded`)
    return readWeight(entry)
  }

  contexts(name: string): readonly Tensor[] | undefined {
    if (!this.has(name)) return undefined
    const all = this.get(name)
    return Array.from({ length: all.shape[0]! }, (_, i) => ({ ...rows(all, i, i + 1), shape: all.shape.slice(1) }))
  }

  nextCall(): string {
    return `cfg.${number(this.#calls++)}`
  }

  nextDraw(): string {
    return `rng_next.${number(this.#draws++)}`
  }

  nextUnet(): string {
    return `unet.${number(this.#unets++)}`
  }

  /** What rounding may do. Adaptive steps carry it into their sizes. */
  get tolerance(): number {
    return this.id.includes('adaptive') ? 1e-3 : 2e-5
  }

  nextStep(): string {
    return `step.${number(this.#steps++)}`
  }

  get counts(): readonly number[] {
    return [this.#calls, this.#draws, this.#steps]
  }

  countOf(prefix: string): number {
    const numbered = [...this.#entries.keys()].filter((key) => key.startsWith(prefix))
    return new Set(numbered.map((key) => key.split('.')[1])).size
  }
}

function number(n: number): string {
  return String(n).padStart(3, '0')
}

/** Largest difference in units of the expected tensor's root mean square. */
function difference(actual: Tensor, expected: Tensor): number {
  expect(actual.shape).toEqual(expected.shape)
  let square = 0
  let largest = 0
  for (let i = 0; i < expected.data.length; i++) {
    square += expected.data[i]! ** 2
    largest = Math.max(largest, Math.abs(actual.data[i]! - expected.data[i]!))
  }
  return largest / Math.sqrt(square / expected.data.length)
}

/** A model that answers as recorded, once it was asked as recorded. */
function playback(recording: Recording, parameterization: Parameterization, prediction: Model['prediction']) {
  let name = ''
  let row = 0
  const predict: Predict = async (x, timestep, asked) => {
    const level = recording.get(`${name}.sigma_in`).data[0]!
    const { scale, timestep: expectedTimestep } = parameterization.input(level, levels)
    const to = row + asked.length
    const question = rows(recording.get(`${name}.x_in`), row, to)
    const answer = rows(recording.get(`${name}.model_out`), row, to)
    row = to

    expect(timestep).toBeCloseTo(expectedTimestep, 1)
    const given = { shape: x.shape, data: x.data.map((value) => value / scale) }
    expect(difference(given, question), `${name}.x_in`).toBeLessThan(recording.tolerance)

    // The UNet's own input and output were kept for the first two calls; later ones follow from the estimates.
    const unet = recording.nextUnet()
    if (recording.has(`${unet}.out`)) {
      expect(difference(x, recording.get(`${unet}.x`)), `${unet}.x`).toBeLessThan(recording.tolerance)
      expect(timestep).toBeCloseTo(recording.get(`${unet}.t`).data[0]!, 2)
      return recording.get(`${unet}.out`)
    }
    const [a, b] = parameterization.output(level, levels, prediction)
    return { shape: x.shape, data: answer.data.map((value, i) => (value - a * question.data[i]!) / b) }
  }
  const weights = recording.id === 'prompt__and_w' ? [1.2, 0.5] : [1]
  return () => {
    name = recording.nextCall()
    row = 0
    recording.cond = recording.contexts(`${name}.text_cond`) ?? recording.cond
    recording.uncond = recording.contexts(`${name}.text_uncond`) ?? recording.uncond
    return {
      model: { predict, prediction, levels },
      cond: recording.uncond.map((_, image) =>
        weights.map((weight, part) => ({ weight, context: recording.cond[image * weights.length + part]! })),
      ),
      uncond: recording.uncond,
    }
  }
}

async function replayRun(
  recording: Recording,
  run: number,
  plan: SamplingPlan,
  size: { width: number; height: number },
  seeds: readonly number[],
): Promise<void> {
  const { request } = recording
  const choice = resolveSampler(request.sampler_name, request.scheduler)
  const parameterization = {
    sigmas: varianceExploding,
    ends: varianceExploding,
    consistency: latentConsistency,
    timesteps: variancePreserving,
  }[choice.sampler.kind]
  const model = playback(recording, parameterization, recording.id.startsWith('sd2v') ? 'v' : 'epsilon')

  const source = request.override_settings.randn_source === 'CPU' ? 'cpu' : 'nv'
  const draw = imageNoise({
    source,
    shape: [4, size.height / 8, size.width / 8],
    seeds,
    subseeds: seeds.map((_, i) => (request.subseed ?? 0) + i),
    variation: request.subseed_strength ?? 0,
    resizeFrom: request.seed_resize_from_h
      ? { height: request.seed_resize_from_h / 8, width: request.seed_resize_from_w! / 8 }
      : undefined,
    seedDelta: 0,
  })
  const checkedDraw = () => {
    const noise = draw()
    const name = recording.nextDraw()
    expect(difference(noise, recording.get(name)), name).toBeLessThan(3e-6)
    return noise
  }

  const sigmas = `sigmas.${number(run)}`
  if (recording.has(sigmas)) {
    const expected = [...recording.get(sigmas).data].slice(-plan.levels.length)
    if (choice.sampler.kind !== 'ends')
      plan.levels.forEach((sigma, i) => void expect(sigma).toBeCloseTo(expected[i]!, 5))
  }

  // Latent noise under the mask is drawn from the same seeds, by generators of its own.
  if (recording.id === 'inpaint__latent_noise-whole') recording.nextDraw()

  const init = `sample.${number(run)}.img2img.x_arg`
  const latent = recording.has(init) ? recording.get(init) : undefined
  let x = plan.start(checkedDraw(), latent)

  const keep = recording.has('latent_mask') ? recording.get('latent_mask') : undefined
  const repaint = recording.has('latent_nmask') ? recording.get('latent_nmask') : undefined
  const blend =
    keep && repaint && latent
      ? (estimate: Tensor): Tensor => ({
          shape: estimate.shape,
          data: estimate.data.map((value, i) => value * repaint.data[i]! + latent.data[i]! * keep.data[i]!),
        })
      : undefined

  const steps = plan.run(x, {
    source: model,
    guidance: {
      cfgScale: request.cfg_scale,
      minSigmaUncond: 0,
      minSigmaUncondAlways: false,
      skipEarlyCond: 0,
      batched: true,
      blend,
    },
    draw: checkedDraw,
    brownian: { source, seeds, isShared: false },
    eta: choice.sampler.eta === 'ancestral' ? 1 : 0,
    churn: { sChurn: 0, sTmin: 0, sTmax: Number.POSITIVE_INFINITY, sNoise: 1 },
    unipc: { variant: 'bh1', skipType: 'time_uniform', order: 3, lowerOrderFinal: true },
  })
  // Most recorded steps hold x from before the step.
  const isBefore = choice.sampler.kind === 'sigmas' || choice.sampler.kind === 'consistency'
  for await (const step of steps) {
    const name = recording.nextStep()
    expect(difference(isBefore ? x : step.x, recording.get(`${name}.x`)), `${name}.x`).toBeLessThan(recording.tolerance)
    if (recording.has(`${name}.denoised`)) {
      expect(difference(step.denoised, recording.get(`${name}.denoised`)), `${name}.denoised`).toBeLessThan(
        recording.tolerance,
      )
    }
    x = step.x
  }
  expect(difference(x, recording.get(`sample.${number(run)}.result`)), 'result').toBeLessThan(recording.tolerance)
}

describe.each(readdirSync(`${folder}tensors`).sort())('%s', (file) => {
  test('is asked, stepped and finished as the reference recorded it', async () => {
    const recording = new Recording(file)
    const { request } = recording
    const choice = resolveSampler(request.sampler_name, request.scheduler)
    const planWith = (img2img?: { denoisingStrength: number; fixSteps: boolean }) =>
      planSampling({
        choice,
        steps: request.steps,
        levels,
        schedule: { sigmaMin: 0, sigmaMax: 0, rho: 0, betaAlpha: 0.6, betaBeta: 0.6, useOldKarrasSigmas: false },
        discardsPenultimate: false,
        usesSgmNoiseMultiplier: false,
        ...(img2img && { img2img }),
      })

    const batch = request.batch_size ?? 1
    for (let iteration = 0; iteration < (request.n_iter ?? 1); iteration++) {
      const seeds = Array.from({ length: batch }, (_, i) => request.seed + iteration * batch + i)
      const strength = request.denoising_strength ?? 0
      const first = planWith(request.init_images ? { denoisingStrength: strength, fixSteps: false } : undefined)
      await replayRun(recording, iteration, first, request, seeds)
      if (request.enable_hr) {
        const factor = request.hr_scale ?? 2
        const larger = { width: request.width * factor, height: request.height * factor }
        await replayRun(recording, 1, planWith({ denoisingStrength: strength, fixSteps: true }), larger, seeds)
      }
    }
    expect(recording.counts).toEqual([
      recording.countOf('cfg.'),
      recording.countOf('rng_next.'),
      recording.countOf('step.'),
    ])
  })
})
