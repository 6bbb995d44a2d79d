import { imageNoise } from '../diffusion/noise.ts'
import type { NoiseLevels } from '../diffusion/noiseLevels.ts'
import { planSampling, type SamplingPlan } from '../diffusion/plan.ts'
import { resolveSampler, type SamplerChoice, type SamplerInfo } from '../diffusion/samplers/index.ts'
import type { Step } from '../diffusion/samplers/sampler.ts'
import { scheduleList } from '../diffusion/schedules.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { latentScale } from './autoencoder.ts'
import { asWritten, type Facts } from './infotext.ts'
import type { Churn, ImagePlan, Pass, Recipe } from './recipe.ts'

/** A run of the sampler laid out, with how it was chosen. */
export interface LaidOutPass {
  readonly choice: SamplerChoice
  readonly plan: SamplingPlan
  readonly levels: NoiseLevels
}

/** Where a pass starts from, if not from noise alone. */
export interface Strength {
  readonly denoisingStrength: number
  readonly fixSteps: boolean
}

/** Lays out a pass, and notes how its levels are spaced. */
export function layOutPass(
  recipe: Recipe,
  pass: Pass,
  levels: NoiseLevels,
  facts: Facts,
  strength: Strength | undefined,
  isHires: boolean,
): LaidOutPass {
  const { sampling } = recipe
  const choice = resolveSampler(pass.sampler, pass.scheduler)
  const plan = planSampling({
    choice,
    steps: pass.steps,
    levels,
    schedule: {
      sigmaMin: sampling.sigmaMin,
      sigmaMax: sampling.sigmaMax,
      rho: sampling.rho,
      betaAlpha: sampling.betaAlpha,
      betaBeta: sampling.betaBeta,
      useOldKarrasSigmas: sampling.useOldKarrasSigmas,
    },
    discardsPenultimate: sampling.discardPenultimate,
    usesSgmNoiseMultiplier: sampling.useSgmNoiseMultiplier,
    ...(strength && { img2img: strength }),
  })
  noteSchedule(recipe, choice, facts, isHires)
  return { choice, plan, levels }
}

/** Runs a pass. The generator of a sampler stops where its caller stops asking. */
export function runPass(
  recipe: Recipe,
  { choice, plan }: LaidOutPass,
  x: Tensor,
  images: readonly ImagePlan[],
  options: Pick<Parameters<SamplingPlan['run']>[1], 'source' | 'draw'> & {
    readonly blend: ((latent: Tensor, level: number) => Tensor) | undefined
  },
): AsyncGenerator<Step, void, void> {
  const { guidance, noise, sampling } = recipe
  return plan.run(x, {
    source: options.source,
    guidance: {
      cfgScale: guidance.cfgScale,
      minSigmaUncond: guidance.minSigmaUncond,
      minSigmaUncondAlways: guidance.minSigmaUncondAlways,
      skipEarlyCond: guidance.skipEarlyCond,
      batched: guidance.batched,
      blend: options.blend,
    },
    draw: options.draw,
    brownian: { source: noise.source, seeds: images.map(({ seed }) => seed), isShared: !noise.seededBrownian },
    eta: etaOf(recipe, choice.sampler),
    churn: churnOf(recipe),
    unipc: sampling.unipc,
  })
}

/** The generators of a batch's noise, for latents of a size in pixels. */
export function noiseOf(
  { noise }: Recipe,
  images: readonly ImagePlan[],
  shape: readonly [channels: number, height: number, width: number],
): () => Tensor {
  const { resizeFrom } = noise
  return imageNoise({
    source: noise.source,
    shape,
    seeds: images.map(({ seed }) => seed),
    subseeds: images.map(({ subseed }) => subseed),
    variation: noise.variationStrength,
    resizeFrom: resizeFrom && {
      height: Math.floor(resizeFrom.height / latentScale),
      width: Math.floor(resizeFrom.width / latentScale),
    },
    seedDelta: noise.etaSeedDelta,
  })
}

/** How many denoiser calls a pass's prompts are scheduled over. */
export function callsOf({ sampler, scheduler, steps }: Pass): number {
  return steps * resolveSampler(sampler, scheduler).sampler.callsPerStep
}

/** Whether the eta noise seed delta moved the seed of any noise. */
export function usesEtaSeedDelta(recipe: Recipe): boolean {
  const { sampler } = resolveSampler(recipe.pass.sampler, recipe.pass.scheduler)
  return recipe.noise.etaSeedDelta !== 0 && sampler.tellsSeedDelta === true && etaOf(recipe, sampler) !== 0
}

function etaOf({ sampling }: Recipe, sampler: SamplerInfo): number {
  return sampling.eta ?? (sampler.kind === 'timesteps' ? sampling.etaDdim : sampling.etaAncestral)
}

function churnOf({ sampling }: Recipe): Churn {
  return { ...sampling.churn, ...sampling.churnOverrides }
}

function noteSchedule(recipe: Recipe, { sampler, schedule }: SamplerChoice, facts: Facts, isHires: boolean): void {
  const { discardPenultimate, sigmaMin, sigmaMax, rho, betaAlpha, betaBeta } = recipe.sampling
  if (discardPenultimate && !sampler.discardsPenultimate) facts.set('Discard penultimate sigma', true)
  if (sampler.kind === 'timesteps' || schedule === undefined) return
  if (!isHires) facts.set('Schedule type', schedule)
  else if (schedule !== facts.get('Schedule type')) facts.set('Hires schedule type', schedule)
  if (sigmaMin !== 0) facts.set('Schedule min sigma', asWritten(sigmaMin))
  if (sigmaMax !== 0) facts.set('Schedule max sigma', asWritten(sigmaMax))
  const ownRho = scheduleList.find(({ label }) => label === schedule)?.rho
  if (ownRho !== undefined && rho !== 0 && rho !== ownRho) facts.set('Schedule rho', asWritten(rho))
  if (schedule === 'Beta') {
    facts.set('Beta schedule alpha', asWritten(betaAlpha))
    facts.set('Beta schedule beta', asWritten(betaBeta))
  }
}

/** Notes the settings that a sampler takes and that are not its own. */
export function noteSampler(recipe: Recipe, { sampler }: SamplerChoice, facts: Facts): void {
  const { eta: asked, churnOverrides } = recipe.sampling
  const eta = etaOf(recipe, sampler)
  const isDdim = sampler.eta === 'ddim'
  if (sampler.eta !== undefined && eta !== (isDdim ? 0 : 1)) {
    facts.set(isDdim ? 'Eta DDIM' : 'Eta', asked === undefined ? asWritten(eta) : pythonFloat(eta))
  }
  const told: readonly (readonly [keyof Churn, string])[] = [
    ['sChurn', 'Sigma churn'],
    ['sTmin', 'Sigma tmin'],
    ['sTmax', 'Sigma tmax'],
    ['sNoise', 'Sigma noise'],
  ]
  for (const [setting, key] of told) {
    const value = churnOverrides[setting]
    const takes = sampler.takes === 'churn' || (sampler.takes === 'sNoise' && setting === 'sNoise')
    if (value !== undefined && takes) facts.set(key, asWritten(value))
  }
}
