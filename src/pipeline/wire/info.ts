import { strftime } from '../../image/strftime.ts'
import { type Facts, shortHash } from '../infotext.ts'
import type { FileIdentity, Recipe } from '../recipe.ts'
import { referenceVersion } from './settings.ts'

/** The `info` of a reply: what A1111 tells of a job in JSON, its keys in order. */
export interface GenerationInfo {
  readonly prompt: string
  readonly all_prompts: readonly string[]
  readonly negative_prompt: string
  readonly all_negative_prompts: readonly string[]
  readonly seed: number
  readonly all_seeds: readonly number[]
  readonly subseed: number
  readonly all_subseeds: readonly number[]
  readonly subseed_strength: number
  readonly width: number
  readonly height: number
  readonly sampler_name: string
  readonly cfg_scale: number
  readonly steps: number
  readonly batch_size: number
  readonly restore_faces: boolean
  readonly face_restoration_model: string | null
  readonly sd_model_name: string
  readonly sd_model_hash: string | null
  readonly sd_vae_name: string | null
  readonly sd_vae_hash: string | null
  readonly seed_resize_from_w: number
  readonly seed_resize_from_h: number
  readonly denoising_strength: number | null
  readonly extra_generation_params: Readonly<Record<string, unknown>>
  readonly index_of_first_image: number
  readonly infotexts: readonly string[]
  readonly styles: readonly string[]
  readonly job_timestamp: string
  readonly clip_skip: number
  readonly is_using_inpainting_conditioning: boolean
  readonly version: string
}

/** What is known of a finished job besides its recipe. */
export interface Outcome {
  readonly checkpoint: FileIdentity
  readonly facts: Facts
  readonly usesInpaintingConditioning: boolean
  readonly infotexts: readonly string[]
  /** When it began. */
  readonly jobTime: Date
}

/** What a finished job tells of itself; `strength` is the request's, which may have had no use for it. */
export function infoOf(recipe: Recipe, outcome: Outcome, strength: number | undefined): GenerationInfo {
  const { checkpoint, facts, usesInpaintingConditioning, infotexts, jobTime } = outcome
  const [first] = recipe.images
  if (!first) throw new Error('internal: a recipe without pictures')
  const { noise, vae } = recipe
  const all = recipe.images
  return {
    prompt: first.prompt,
    all_prompts: all.map(({ prompt }) => prompt),
    negative_prompt: first.negativePrompt,
    all_negative_prompts: all.map(({ negativePrompt }) => negativePrompt),
    seed: first.seed,
    all_seeds: all.map(({ seed }) => seed),
    subseed: first.subseed,
    all_subseeds: all.map(({ subseed }) => subseed),
    subseed_strength: noise.variationStrength,
    width: recipe.width,
    height: recipe.height,
    sampler_name: recipe.pass.sampler,
    cfg_scale: recipe.guidance.cfgScale,
    steps: recipe.pass.steps,
    batch_size: recipe.batchSize,
    restore_faces: false,
    face_restoration_model: null,
    sd_model_name: checkpoint.name,
    sd_model_hash: shortHash(checkpoint) ?? null,
    sd_vae_name: vae?.name ?? null,
    sd_vae_hash: (vae && shortHash(vae)) ?? null,
    seed_resize_from_w: noise.resizeFrom?.width ?? -1,
    seed_resize_from_h: noise.resizeFrom?.height ?? -1,
    denoising_strength: recipe.init?.denoisingStrength ?? recipe.hires?.denoisingStrength ?? strength ?? null,
    extra_generation_params: Object.fromEntries([...facts].map(([key, fact]) => [key, toJson(fact)])),
    index_of_first_image: 0,
    infotexts: infotexts,
    styles: recipe.styles,
    job_timestamp: strftime(jobTime, '%Y%m%d%H%M%S'),
    clip_skip: recipe.prompting.clipSkip,
    is_using_inpainting_conditioning: usesInpaintingConditioning,
    version: referenceVersion,
  }
}

/** A fact as JSON: numbers that infotexts spell are numbers again; what differs from picture to picture is left out. */
function toJson(fact: unknown): unknown {
  if (Array.isArray(fact)) return null
  return typeof fact === 'string' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(fact) ? Number(fact) : fact
}
