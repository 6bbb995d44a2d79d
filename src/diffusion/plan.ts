import { combine } from '../tensor/combine.ts'
import type { RandomSource, Seed } from '../tensor/random.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { brownianNoise, sharedBrownianNoise } from './brownian.ts'
import { latentConsistency, varianceExploding, variancePreserving } from './denoiser.ts'
import { type ConditioningSource, type GuidanceOptions, guide } from './guidance.ts'
import { lcmLevels, type NoiseLevels } from './noiseLevels.ts'
import type { SamplerChoice } from './samplers/index.ts'
import type { NoiseSource, SamplerOptions, Step, UniPcOptions } from './samplers/sampler.ts'
import { type ScheduleOptions, spaceSigmas } from './schedules.ts'

/** What a run is to be, before any latent is known. */
export interface SamplingRequest {
  readonly choice: SamplerChoice
  readonly steps: number
  readonly levels: NoiseLevels
  readonly schedule: ScheduleOptions
  /** Every sampler spaces one step more and leaves out the last level above 0. */
  readonly discardsPenultimate: boolean
  /** Initial noise times √(1 + σ²) instead of σ. */
  readonly usesSgmNoiseMultiplier: boolean
  /** Absent where sampling starts from noise alone. */
  readonly img2img?: {
    readonly denoisingStrength: number
    /** Exactly `steps` steps are run: the schedule is stretched so that its end has as many. */
    readonly fixSteps: boolean
  }
}

/** What a run takes besides its latent. */
export interface RunOptions {
  readonly source: ConditioningSource
  readonly guidance: GuidanceOptions
  /** Draws one tensor per image from the images' own generators. */
  readonly draw: () => Tensor
  /** Where Brownian noise comes from: a motion for each image, or one for the batch. */
  readonly brownian: { readonly source: RandomSource; readonly seeds: readonly Seed[]; readonly isShared: boolean }
  readonly eta: number
  readonly churn: Omit<SamplerOptions, 'noise' | 'eta'>
  readonly unipc: UniPcOptions
}

/** A run laid out: where it starts, by which levels it goes, how long it takes. */
export interface SamplingPlan {
  /** σ, descending, or timesteps, ascending and walked from the end. */
  readonly levels: readonly number[]
  /** Steps as progress counts them. */
  readonly steps: number
  /** Model calls that shares of the run are measured by; adaptive samplers make as many as they need. */
  readonly totalCalls: number
  /** Whether a kept part of the picture is put back before the model sees the latent, or after. */
  readonly blends: 'input' | 'estimate'
  /** The latent to start from: unit noise brought to the first level, over `latent` where there is one. */
  readonly start: (noise: Tensor, latent?: Tensor, extraNoise?: number) => Tensor
  /** Runs; a plan may be run again with other options. Yields nothing where there is no step to make. */
  readonly run: (x: Tensor, options: RunOptions) => AsyncGenerator<Step, void, void>
}

/** Lays out a run of the chosen sampler. */
export function planSampling(request: SamplingRequest): SamplingPlan {
  return request.choice.sampler.kind === 'timesteps' ? planTimesteps(request) : planSigmas(request)
}

/** How many steps are spaced, and how many of them are run, at the end of the schedule. */
function countSteps({ steps, img2img, choice }: SamplingRequest, discards: boolean) {
  let spaced = steps
  let run = steps
  if (img2img) {
    // A1111's arithmetic: strength 1 is a little less, and one step more is run than the strength says.
    const share = Math.min(img2img.denoisingStrength, 0.999)
    if (!img2img.fixSteps) run = Math.trunc(share * steps) + 1
    else spaced = img2img.denoisingStrength > 0 ? Math.trunc(steps / share) : 0
  }
  return { spaced, run, levels: spaced + (discards ? 1 : 0), totalCalls: run * choice.sampler.callsPerStep }
}

function planSigmas(request: SamplingRequest): SamplingPlan {
  const { choice, img2img } = request
  const { sampler } = choice
  if (sampler.kind === 'timesteps') throw new Error(`internal: ${sampler.label} does not step over sigmas`)
  const isConsistency = sampler.kind === 'consistency'
  const levels = isConsistency ? lcmLevels(request.levels) : request.levels

  const discards = sampler.discardsPenultimate === true || request.discardsPenultimate
  const count = countSteps(request, discards)
  const all = spaceSigmas(choice.schedule ?? 'Uniform', count.levels, levels, request.schedule)
  const schedule = discards ? [...all.slice(0, -2), ...all.slice(-1)] : all
  const part = img2img ? schedule.slice(Math.max(count.spaced - count.run, 0)) : schedule
  const walked = sampler.kind === 'ends' ? between(part, img2img !== undefined, count.run, levels) : part
  const parameterization = isConsistency ? latentConsistency : varianceExploding

  return {
    levels: walked,
    steps: count.run,
    totalCalls: count.totalCalls,
    blends: 'estimate',
    start: (noise, latent, extraNoise = 0) => {
      const sigma = part[0]!
      if (latent) return combine([1, latent], [sigma + extraNoise, noise])
      return combine([request.usesSgmNoiseMultiplier ? Math.sqrt(1 + sigma ** 2) : sigma, noise])
    },
    run: async function* (x, options) {
      if (walked.length < 2) return
      const guided = guide(options.source, options.guidance, {
        parameterization,
        blends: 'estimate',
        cfgFactor: sampler.cfgFactor ?? 1,
        totalCalls: count.totalCalls,
      })
      const noise = sampler.isBrownian ? brownianFor(x, options, schedule, walked) : options.draw
      yield* sampler.run(async (x, sigma) => (await guided(x, sigma)).guided, x, walked, {
        noise,
        eta: options.eta,
        ...churnFor(sampler.takes, options.churn),
      })
    },
  }
}

/** What reaches the sampler of the churn settings; the others keep to what changes nothing. */
function churnFor(takes: 'sNoise' | 'churn' | undefined, churn: RunOptions['churn']): RunOptions['churn'] {
  if (takes === 'churn') return churn
  return { sChurn: 0, sTmin: 0, sTmax: Number.POSITIVE_INFINITY, sNoise: takes === 'sNoise' ? churn.sNoise : 1 }
}

/**
 * Levels for a sampler with a spacing of its own, which reads only the ends and their distance: all that the model was
 * trained at, or a part of a schedule without its last level, which is 0 in most.
 */
function between(part: readonly number[], isPart: boolean, steps: number, { sigmas }: NoiseLevels): readonly number[] {
  const from = isPart ? part[0]! : sigmas.at(-1)!
  const to = isPart ? part.at(-2) : sigmas[0]!
  if (to === undefined) return []
  const count = isPart ? part.length - 1 : steps
  return Array.from({ length: count + 1 }, (_, i) => from * (to / from) ** (i / count))
}

/** A motion for each image spans the whole schedule, also where only its end is walked; a shared one what is walked. */
function brownianFor(
  x: Tensor,
  { brownian }: RunOptions,
  schedule: readonly number[],
  walked: readonly number[],
): NoiseSource {
  const spanned = (brownian.isShared ? walked : schedule).filter((sigma) => sigma > 0)
  const settings = {
    source: brownian.source,
    shape: x.shape.slice(1),
    seeds: brownian.seeds,
    sigmaMin: Math.min(...spanned),
    sigmaMax: Math.max(...spanned),
  }
  return brownian.isShared ? sharedBrownianNoise(settings) : brownianNoise(settings)
}

function planTimesteps(request: SamplingRequest): SamplingPlan {
  const { sampler } = request.choice
  if (sampler.kind !== 'timesteps') throw new Error(`internal: ${sampler.label} does not step over timesteps`)
  const { img2img } = request
  const { alphasCumprod } = request.levels

  const count = countSteps(request, request.discardsPenultimate)
  const all = spaceTimesteps(count.levels, alphasCumprod.length)
  // The picture is noised to the timestep above those that are walked.
  const above = count.run - 1
  const walked = img2img ? all.slice(0, above) : all
  return {
    levels: walked,
    steps: count.run,
    totalCalls: count.totalCalls,
    blends: 'input',
    start: (noise, latent, extraNoise = 0) => {
      if (!latent) return noise
      const timestep = all[above]
      if (timestep === undefined) return latent
      const root = Math.sqrt(alphasCumprod[timestep]!)
      return combine([root, latent], [Math.sqrt(1 - alphasCumprod[timestep]!) + extraNoise * root, noise])
    },
    run: (x, options) => {
      const guided = guide(options.source, options.guidance, {
        parameterization: variancePreserving,
        blends: 'input',
        cfgFactor: sampler.cfgFactor ?? 1,
        totalCalls: count.totalCalls,
      })
      const predict = async (x: Tensor, timestep: number) => {
        const { guided: epsilon, uncond } = await guided(x, timestep)
        return { epsilon, uncond }
      }
      return sampler.run(predict, x, walked, {
        noise: options.draw,
        eta: options.eta,
        alphasCumprod,
        isImg2img: img2img !== undefined,
        unipc: options.unipc,
      })
    },
  }
}

/**
 * DDIM's uniform timesteps: every ⌊1000/steps⌋-th from 1 on, which may come to more than asked. (The option for
 * quadratic ones has had no effect since A1111 1.6.)
 */
function spaceTimesteps(steps: number, trained: number): readonly number[] {
  if (steps < 1) return []
  const stride = Math.max(Math.floor(trained / steps), 1)
  return Array.from({ length: Math.ceil(trained / stride) }, (_, i) => Math.min(i * stride + 1, trained - 1))
}
