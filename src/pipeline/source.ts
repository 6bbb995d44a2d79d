import { downcast, withZeroTerminalSnr } from '../diffusion/betas.ts'
import type { Conditioned, ConditioningSource } from '../diffusion/guidance.ts'
import { type NoiseLevels, noiseLevels, noiseRemoved } from '../diffusion/noiseLevels.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Conditioning, conditionedAt } from './conditioning.ts'
import { asWritten, type Facts } from './infotext.ts'
import type { Model } from './model.ts'
import type { AdaptedModel } from './networks.ts'
import { predictor, type UnetUse } from './predictor.ts'
import type { Guidance, Recipe, Refiner, Sampling } from './recipe.ts'
import type { SessionPool } from './sessionPool.ts'

/** A model, what it is to paint, and what that means for empty prompts: all that a denoiser call needs. */
export interface Painter {
  readonly adapted: AdaptedModel
  readonly conditioning: Conditioning
  /** The encoded empty prompt, where prompts are padded with it: one for all pictures, or one for each. */
  readonly emptyChunks: readonly Tensor[]
}

/** How a refiner takes over. */
export interface Takeover {
  readonly refiner: Refiner
  /** The job has a second pass, so infotexts tell in which one it was. */
  readonly isHires: boolean
  /** Denoiser calls expected, by which shares of the steps are measured. */
  readonly totalCalls: number
  /** σ at a sampler's level, or undefined where levels are timesteps. */
  readonly hasSigmas: boolean
  /** Opens the second checkpoint and reads the prompts with its text encoder. */
  readonly painter: () => Promise<Painter>
}

export interface SourceOptions {
  readonly recipe: Recipe
  readonly painter: Painter
  readonly use: UnetUse
  readonly pool: SessionPool
  readonly facts: Facts
  readonly takeover: Takeover | undefined
}

/** The noise levels of a model under a recipe's settings. */
export function levelsOf({ alphasCumprod }: Model, sampling: Sampling): NoiseLevels {
  const rounded = sampling.downcastAlphas ? downcast(alphasCumprod) : alphasCumprod
  const alphas = sampling.noiseSchedule === 'Zero Terminal SNR' ? withZeroTerminalSnr(rounded) : rounded
  return noiseLevels(alphas, sampling.quantizeTimesteps)
}

/** A source for guidance, and who paints at the moment. */
export interface Conditioner {
  readonly source: ConditioningSource
  readonly painter: () => Painter
  /** What infotexts tell after all that came up before. */
  readonly lateFacts: Facts
}

/** Answers for each denoiser call what model runs and on what; notes for the infotext what came to pass. */
export function conditioner({ recipe, painter, use, pool, facts, takeover }: SourceOptions): Conditioner {
  const { guidance, sampling } = recipe
  const modelOf = ({ adapted }: Painter): Conditioned['model'] => ({
    predict: predictor(adapted, use, pool),
    prediction: adapted.model.config.prediction,
    levels: levelsOf(adapted.model, sampling),
  })
  let current = painter
  let model = modelOf(painter)
  let hasSwitched = false
  const lateFacts: Facts = new Map()

  const source: ConditioningSource = async (call, level) => {
    if (takeover && !hasSwitched && progressAt(takeover, model.levels, call, level) >= takeover.refiner.switchAt) {
      current = await takeover.painter()
      model = modelOf(current)
      hasSwitched = true
      noteRefiner(takeover, facts)
    }
    noteGuidance(guidance, call, level, facts)
    const { padded, ...conditioned } = conditionedAt(current.conditioning, call, guidance.padding, current.emptyChunks)
    if (padded !== 'none') lateFacts.set(padded === 'empty' ? 'Pad conds' : 'Pad conds v0', true)
    return { model, ...conditioned }
  }
  return { source, painter: () => current, lateFacts }
}

/** How far a run has come, by steps or by noise. */
function progressAt(
  { refiner, totalCalls, hasSigmas }: Takeover,
  levels: NoiseLevels,
  call: number,
  level: number,
): number {
  if (refiner.switchBySteps) return call / totalCalls
  return hasSigmas ? noiseRemoved(levels, level) : (levels.lastTimestep - Math.trunc(level)) / (levels.lastTimestep + 1)
}

function noteRefiner({ refiner, isHires }: Takeover, facts: Facts): void {
  const { name, hash } = refiner.model.checkpoint
  if (refiner.switchBySteps) facts.set('Refiner switch by sampling steps', true)
  if (isHires && refiner.inPass !== 'second pass') facts.set('Hires refiner', refiner.inPass)
  facts.set('Refiner', hash === undefined ? name : `${name} [${hash.slice(0, 10)}]`)
  facts.set('Refiner switch at', pythonFloat(refiner.switchAt))
}

/** The same conditions as guidance's own, for telling that they held. */
function noteGuidance(guidance: Guidance, call: number, level: number, facts: Facts): void {
  const { skipEarlyCond, minSigmaUncond, minSigmaUncondAlways } = guidance
  if (skipEarlyCond !== 0 && call === 0) facts.set('Skip Early CFG', asWritten(skipEarlyCond))
  else if (level < minSigmaUncond && (minSigmaUncondAlways || call % 2 === 1)) {
    facts.set('NGMS', pythonFloat(minSigmaUncond))
    if (minSigmaUncondAlways) facts.set('NGMS all steps', true)
  }
}
