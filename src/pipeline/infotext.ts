import { formatInfotext, type InfotextValue } from '../image/formatInfotext.ts'
import { pythonFloat } from '../image/pythonFloat.ts'
import type { FileIdentity, Recipe } from './recipe.ts'

/** A fact of the whole job, or one of each of its pictures. */
export type Fact = InfotextValue | readonly InfotextValue[]

/** What a run finds out and infotexts tell, in the order in which it came up. */
export type Facts = Map<string, Fact>

/** What is known of a job besides its recipe when infotexts are written. */
export interface Framing {
  readonly checkpoint: FileIdentity
  readonly vae: FileIdentity | undefined
  /** The UNet read a mask and a masked picture, as inpainting checkpoints do. */
  readonly usesInpaintingConditioning: boolean
  /** The sampler drew noise whose seed the eta noise seed delta moved. */
  readonly usesEtaSeedDelta: boolean
  readonly facts: Facts
}

/** The infotext of one picture of a job, byte-equal to the one the reference writes. */
export function infotextOf(recipe: Recipe, index: number, framing: Framing): string {
  const plan = recipe.images[index]
  if (!plan) throw new Error(`internal: no picture ${index} in a job of ${recipe.images.length}`)
  const { noise, writing, tokenMerging } = recipe
  const { checkpoint, vae, facts } = framing
  const isVaried = noise.variationStrength !== 0
  return formatInfotext({
    prompt: plan.prompt,
    negativePrompt: plan.negativePrompt,
    listed: {
      Steps: recipe.pass.steps,
      Sampler: recipe.pass.sampler,
      'Schedule type': recipe.pass.scheduler,
      'CFG scale': pythonFloat(recipe.guidance.cfgScale),
      Seed: plan.seed,
      Size: `${recipe.width}x${recipe.height}`,
      'Model hash': when(writing.modelHash, shortHash(checkpoint)),
      Model: when(writing.modelName, checkpoint.name),
      'VAE hash': when(writing.vaeHash && vae !== undefined, vae && shortHash(vae)),
      VAE: when(writing.vaeName && vae !== undefined, vae?.name),
      'Variation seed': when(isVaried, plan.subseed),
      'Variation seed strength': when(isVaried, pythonFloat(noise.variationStrength)),
      'Seed resize from': noise.resizeFrom ? `${noise.resizeFrom.width}x${noise.resizeFrom.height}` : null,
      'Conditional mask weight': when(framing.usesInpaintingConditioning, asWritten(recipe.maskConditioning, true)),
      'Clip skip': when(recipe.prompting.clipSkip > 1, recipe.prompting.clipSkip),
      ENSD: when(framing.usesEtaSeedDelta, noise.etaSeedDelta),
      'Token merging ratio': when(tokenMerging.ratio !== 0, asWritten(tokenMerging.ratio)),
      'Token merging ratio hr': when(
        recipe.hires !== undefined && tokenMerging.hiresRatio !== 0,
        asWritten(tokenMerging.hiresRatio),
      ),
      'Init image hash': recipe.init?.recordedHash ?? null,
      RNG: when(noise.label !== 'GPU', noise.label),
      Tiling: when(recipe.tiling, true),
    },
    extra: [...facts].map(([key, fact]) => {
      const value = Array.isArray(fact) ? (fact[index] ?? null) : fact
      return [key, typeof value === 'number' && writing.floats.has(key) ? pythonFloat(value) : value] as const
    }),
    ...(writing.version === undefined ? {} : { version: writing.version }),
  })
}

/** A number of the options: whole ones without a point, unless the option's own default has one. */
export function asWritten(value: number, isFloat = false): InfotextValue {
  return Number.isInteger(value) && !isFloat ? value : pythonFloat(value)
}

/** The ten digits by which infotexts and titles name a checkpoint or a VAE. */
export function shortHash({ hash }: FileIdentity): string | undefined {
  return hash?.slice(0, 10)
}

function when(condition: boolean, value: InfotextValue | undefined): InfotextValue {
  return condition && value !== undefined ? value : null
}
