import { combine } from '../tensor/combine.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import type { Parameterization, Prediction } from './denoiser.ts'
import type { NoiseLevels } from './noiseLevels.ts'

/** What one row of a model call is about. */
export interface PredictRow {
  /** Which image of the batch the row belongs to. */
  readonly image: number
  /** The text it is conditioned on: [tokens, width]. */
  readonly context: Tensor
}

/**
 * The UNet: rows [n, channels, height, width], scaled as it was trained, with a timestep for all of them, to its raw
 * prediction of the same shape. All contexts of a call are equally long.
 */
export type Predict = (x: Tensor, timestep: number, rows: readonly PredictRow[]) => Promise<Tensor>

/** A model as guidance needs it. */
export interface Model {
  readonly predict: Predict
  readonly prediction: Prediction
  readonly levels: NoiseLevels
}

/** A text and how strongly it guides: one part of a prompt joined by AND. */
export interface WeightedContext {
  readonly context: Tensor
  readonly weight: number
}

/** What is in force at one call: the model, and for each image its prompt's parts and its negative prompt. */
export interface Conditioned {
  readonly model: Model
  readonly cond: readonly (readonly WeightedContext[])[]
  readonly uncond: readonly Tensor[]
}

/**
 * Answers before each call what is in force: `call` counts from 0, `level` is the sampler's σ or timestep. Scheduled
 * prompts and a change of checkpoint in mid-run are both told this way.
 */
export type ConditioningSource = (call: number, level: number) => Promise<Conditioned> | Conditioned

/** How the estimates with and without the prompt are joined. */
export interface GuidanceOptions {
  readonly cfgScale: number
  /** The negative prompt is left out below this level, at every other call or always ("NGMS"). 0: never. */
  readonly minSigmaUncond: number
  readonly minSigmaUncondAlways: boolean
  /** Share of the calls, from the first on, without the negative prompt. */
  readonly skipEarlyCond: number
  /** Prompt and negative prompt share a model call where they are equally long. */
  readonly batched: boolean
  /** Puts the kept part of a picture back into a latent at a level: for inpainting. */
  readonly blend: ((latent: Tensor, level: number) => Tensor) | undefined
}

/** What the sampler's kind adds to `GuidanceOptions`. */
export interface GuidedSampling {
  readonly parameterization: Parameterization
  /** Whether `blend` changes what the model is given or what it answers. */
  readonly blends: 'input' | 'estimate'
  /** Factor on the guidance scale. */
  readonly cfgFactor: number
  /** Calls expected, for shares of the run. */
  readonly totalCalls: number
}

/** The guided estimate, and the one without the prompt. */
export interface Estimate {
  readonly guided: Tensor
  readonly uncond: Tensor
}

/**
 * Classifier-free guidance (Ho and Salimans 2022): uncond + Σ weight·cfg·(cond − uncond). Counts its calls, so a
 * guided model serves one run.
 */
export function guide(
  source: ConditioningSource,
  options: GuidanceOptions,
  sampling: GuidedSampling,
): (x: Tensor, level: number) => Promise<Estimate> {
  let call = 0

  return async (x, level) => {
    const { model, cond, uncond } = await source(call, level)
    const given = options.blend && sampling.blends === 'input' ? options.blend(x, level) : x
    const skipsUncond = leavesOutUncond(options, call / sampling.totalCalls, call, level)

    const asked = extendContexts(rowsOfPrompts(cond))
    const unasked = skipsUncond ? [] : extendContexts(uncond.map((context, image) => ({ image, context })))
    const estimates = await estimate(model, sampling.parameterization, given, level, asked, unasked, options.batched)

    const without = skipsUncond ? firstOfEach(cond, estimates) : rows(estimates, asked.length, estimates.shape[0]!)
    const scale = skipsUncond ? 1 : options.cfgScale * sampling.cfgFactor
    let guided = join(cond, estimates, without, scale)
    if (options.blend && sampling.blends === 'estimate') guided = options.blend(guided, level)
    call++
    return { guided, uncond: without }
  }
}

function leavesOutUncond(options: GuidanceOptions, progress: number, call: number, level: number): boolean {
  if (options.skipEarlyCond !== 0 && progress <= options.skipEarlyCond) return true
  return level < options.minSigmaUncond && (options.minSigmaUncondAlways || call % 2 === 1)
}

function rowsOfPrompts(cond: Conditioned['cond']): PredictRow[] {
  return cond.flatMap((parts, image) => parts.map(({ context }) => ({ image, context })))
}

/** Shorter contexts repeat their last token until all are as long as the longest. */
function extendContexts(texts: readonly PredictRow[]): PredictRow[] {
  const longest = Math.max(...texts.map(({ context }) => context.shape[0]!))
  return texts.map(({ image, context }) => {
    const tokens = context.shape[0]!
    if (tokens === longest) return { image, context }
    const last = rows(context, tokens - 1, tokens)
    return { image, context: stack([context, ...Array<Tensor>(longest - tokens).fill(last)]) }
  })
}

/** The model's estimate for every row, prompts first; contexts of different lengths go in calls of their own. */
async function estimate(
  model: Model,
  parameterization: Parameterization,
  x: Tensor,
  level: number,
  asked: readonly PredictRow[],
  unasked: readonly PredictRow[],
  batched: boolean,
): Promise<Tensor> {
  const sharesCall = batched && asked[0]?.context.shape[0] === unasked[0]?.context.shape[0]
  const calls = (sharesCall ? [[...asked, ...unasked]] : [asked, unasked]).filter((group) => group.length > 0)

  const { scale, timestep } = parameterization.input(level, model.levels)
  const [a, b] = parameterization.output(level, model.levels, model.prediction)
  const parts: Tensor[] = []
  for (const group of calls) {
    const input = stack(group.map(({ image }) => rows(x, image, image + 1)))
    const raw = await model.predict(scale === 1 ? input : combine([scale, input]), timestep, group)
    parts.push(a === 0 && b === 1 ? raw : combine([a, input], [b, raw]))
  }
  return stack(parts)
}

/** Stands in for the estimate without a prompt where none was made: that of each image's first part. */
function firstOfEach(cond: Conditioned['cond'], estimates: Tensor): Tensor {
  let row = 0
  return stack(
    cond.map((parts) => {
      row += parts.length
      return rows(estimates, row - parts.length, row - parts.length + 1)
    }),
  )
}

function join(cond: Conditioned['cond'], estimates: Tensor, uncond: Tensor, scale: number): Tensor {
  let row = 0
  return stack(
    cond.map((parts, image) => {
      const base = rows(uncond, image, image + 1)
      const total = parts.reduce((sum, { weight }) => sum + weight, 0)
      const terms = parts.map(({ weight }) => [weight * scale, rows(estimates, row, ++row)] as const)
      return combine([1 - total * scale, base], ...terms)
    }),
  )
}
