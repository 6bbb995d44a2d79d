import type { SamplerOptions, UniPcOptions } from '../diffusion/samplers/sampler.ts'
import type { L8, Picture, Rgb8 } from '../image/picture.ts'
import type { ResizeMode } from '../image/resizeMode.ts'
import type { SoftInpainting } from '../image/softInpaint.ts'
import type { Filing } from './filing.ts'
import type { StandIn } from './standIn.ts'

/**
 * Everything that determines the pictures of one job, with nothing left to defaults: seeds are drawn, names are
 * resolved to files, styles are merged into the prompts. The same recipe gives the same pixels on the CPU.
 */
export interface Recipe extends ModelFiles {
  /** The pictures of the job in order; a batch is `batchSize` neighbours. */
  readonly images: readonly ImagePlan[]
  readonly batchSize: number
  /** Size asked for; the picture is 8·⌊size/8⌋. With `hires`, the size of the first pass. */
  readonly width: number
  readonly height: number
  /** Names of the styles merged into the prompts. */
  readonly styles: readonly string[]

  /** Adapters by the name the prompts call them; a name that is missing here is left out of the picture. */
  readonly networks: ReadonlyMap<string, FileIdentity>
  /** Textual inversions that may occur in the prompts, by trigger. */
  readonly embeddings: ReadonlyMap<string, EmbeddingFile>

  readonly prompting: Prompting
  readonly pass: Pass
  readonly sampling: Sampling
  readonly guidance: Guidance
  readonly noise: Noise
  readonly tiling: boolean
  readonly tokenMerging: TokenMerging
  readonly coding: Coding
  /** How much of the masked content inpainting checkpoints may not see. */
  readonly maskConditioning: number

  readonly init: Init | undefined
  readonly hires: Hires | undefined
  readonly refiner: Refiner | undefined
  readonly tiles: UpscalerTiles

  readonly writing: InfotextSettings
  readonly filing: Filing
  /** What was understood differently from what was asked, for the person to read. */
  readonly notes: readonly string[]
}

/** A checkpoint and the VAE it is used with. */
export interface ModelFiles {
  readonly checkpoint: FileIdentity
  /** A VAE file of its own; undefined where the checkpoint's is used. */
  readonly vae: FileIdentity | undefined
}

/** What may differ between the pictures of one job. */
export interface ImagePlan {
  readonly prompt: string
  readonly negativePrompt: string
  readonly seed: number
  readonly subseed: number
}

/** A model file as infotexts and lookups name it. */
export interface FileIdentity {
  readonly name: string
  readonly path: string
  /** The hash infotexts carry, whole; undefined where it has yet to be computed. */
  readonly hash: string | undefined
}

/** A textual inversion: a file of its own, or part of a network's, which it comes and goes with. */
export interface EmbeddingFile extends FileIdentity {
  /** The hash of a file; of a part, the name by which prompts call the network. */
  readonly hash: string | undefined
  readonly isBundled: boolean
}

/** How pictures become latents and latents pictures, where the VAE does not do it. */
export interface Coding {
  readonly decoder: StandIn | undefined
  /** TAESD's. */
  readonly encoder: FileIdentity | undefined
}

/** How prompt text becomes numbers. */
export interface Prompting {
  readonly emphasis: 'Original' | 'No norm' | 'Ignore' | 'None'
  /** Brackets counted among the tokens, as before October 2022. */
  readonly useOldEmphasis: boolean
  /** Fractions and steps of `[a:b:n]` as before version 1.6. */
  readonly useOldScheduling: boolean
  readonly commaBacktrack: number
  readonly clipSkip: number
  /** `<lora:…>` and its kin are left unread. */
  readonly disableNetworks: boolean
  /** Whose prompt says with which networks a batch is painted: the first picture's, as in the reference, or each one's own. */
  readonly networksOf: 'first picture' | 'each picture'
}

/** One run of the sampler. */
export interface Pass {
  readonly steps: number
  /** A1111's label of the stepping rule. */
  readonly sampler: string
  /** A1111's label of the spacing of sigmas; `Automatic` leaves it to the sampler. */
  readonly scheduler: string
}

/** Options of samplers and schedules. */
export interface Sampling {
  /** As asked; undefined where the sampler's own default holds. */
  readonly eta: number | undefined
  readonly etaAncestral: number
  readonly etaDdim: number
  readonly churn: Churn
  /** Churn numbers that options set against the request's. */
  readonly churnOverrides: Partial<Churn>
  readonly sigmaMin: number
  readonly sigmaMax: number
  readonly rho: number
  readonly betaAlpha: number
  readonly betaBeta: number
  readonly discardPenultimate: boolean
  readonly useOldKarrasSigmas: boolean
  /** Initial noise times √(1 + σ²) instead of σ. */
  readonly useSgmNoiseMultiplier: boolean
  /** Noise added to a picture beyond what its strength asks for. */
  readonly extraNoise: number
  /** Timesteps rounded to whole ones before the model sees them. */
  readonly quantizeTimesteps: boolean
  readonly noiseSchedule: 'Default' | 'Zero Terminal SNR'
  /** ᾱ rounded to float16, as half-precision runs before version 1.7 did. */
  readonly downcastAlphas: boolean
  readonly unipc: UniPcOptions
}

/** Numbers that some samplers add noise by. */
export type Churn = Omit<SamplerOptions, 'noise' | 'eta'>

/** How the estimates with and without the prompt are joined. */
export interface Guidance {
  readonly cfgScale: number
  /** Negative guidance minimum sigma: below it the negative prompt is left out, every other step or always. */
  readonly minSigmaUncond: number
  readonly minSigmaUncondAlways: boolean
  /** Fraction of the steps, from the start, that ignores the negative prompt. */
  readonly skipEarlyCond: number
  /** Prompts of unequal length: two model calls, padded with the empty prompt, or with the last token. */
  readonly padding: 'none' | 'empty' | 'last-token'
  /** Prompt and negative prompt share a model call. */
  readonly batched: boolean
}

/** Where random numbers come from. */
export interface Noise {
  readonly source: 'cpu' | 'nv'
  /** The option as it was set, for the infotext. */
  readonly label: 'CPU' | 'NV' | 'GPU'
  readonly variationStrength: number
  /** Size whose noise is centred in this one; undefined where both are the same. */
  readonly resizeFrom: { readonly width: number; readonly height: number } | undefined
  readonly etaSeedDelta: number
  /** Brownian trees seeded per picture; else one random tree for the batch. */
  readonly seededBrownian: boolean
}

/** Token merging: the share of tokens that attention merges, per kind of pass. */
export interface TokenMerging {
  readonly ratio: number
  readonly hiresRatio: number
}

/** Starting from pictures instead of noise alone. */
export interface Init {
  /** One for all, or one for each picture of a batch. */
  readonly pictures: readonly Picture[]
  /** How a picture is brought to the job's shape; `latent` resizes its latent instead. */
  readonly resize: ResizeMode | 'latent'
  readonly denoisingStrength: number
  readonly background: string
  readonly noiseMultiplier: number
  /** Exactly `steps` steps are run, whatever the strength. */
  readonly fixSteps: boolean
  readonly colorCorrection: boolean
  /** Name of the upscaler for enlarging; undefined for Lanczos. */
  readonly upscaler: string | undefined
  readonly mask: Mask | undefined
  /** MD5 of the first picture's pixels, where it is to be recorded. */
  readonly recordedHash: string | undefined
}

/** What to paint anew, and how the rest is kept. */
export interface Mask {
  /** White is painted anew; the size of the init picture or not. */
  readonly picture: L8
  /** What is painted anew among the latents, where that is not what the overlay leaves open. */
  readonly latent: L8 | undefined
  readonly blurX: number
  readonly blurY: number
  readonly invert: boolean
  /** The mask is rounded to yes and no at latent size. */
  readonly round: boolean
  readonly content: MaskedContent
  /** Only the masked area and `padding` pixels around it are painted, at full size. */
  readonly onlyMasked: { readonly padding: number } | undefined
  /** Outside the mask the picture is the original, pixel by pixel. */
  readonly overlay: boolean
  readonly soft: SoftInpainting | undefined
  /** What goes out beside each picture, in this order; recipes of old journals do not say. */
  readonly byProducts?: readonly ByProductWish[]
}

/** Beside a picture: the mask its overlay was cut with, and what was painted, cut out by that mask. */
export type ByProductKind = 'mask' | 'mask composite'

export interface ByProductWish {
  readonly kind: ByProductKind
  /** It follows its picture in what a job answers. */
  readonly isReturned: boolean
  /** It is saved beside its picture, where that is saved. */
  readonly isSaved: boolean
}

export type MaskedContent = 'fill' | 'original' | 'latent noise' | 'latent nothing'

/** The second, larger pass of txt2img. */
export interface Hires {
  readonly target: HiresTarget
  /** A latent mode or the name of a pixel upscaler. */
  readonly upscaler: string
  readonly denoisingStrength: number
  readonly pass: Pass
  /** Steps as asked; 0 for those of the first pass. */
  readonly askedSteps: number
  /** Prompts of the second pass, one for each picture. */
  readonly prompts: readonly HiresPrompt[]
  /** The second pass's own checkpoint. */
  readonly model: ModelFiles | undefined
  /** A picture that takes the place of the first pass. */
  readonly firstPicture: Rgb8 | undefined
  readonly keepFirstPass: boolean
  /** The second pass's prompts are read with the first pass's networks. */
  readonly usesFirstPassConds: boolean
}

export interface HiresPrompt {
  readonly prompt: string
  readonly negativePrompt: string
}

/** The size of the second pass: a factor, or a size with 0 for "keep the ratio". */
export type HiresTarget =
  | { readonly kind: 'scale'; readonly scale: number }
  | { readonly kind: 'size'; readonly width: number; readonly height: number }

/** A second checkpoint that takes over during sampling. */
export interface Refiner {
  readonly model: ModelFiles
  /** Share of the way (of noise, or of steps) after which it takes over. */
  readonly switchAt: number
  readonly switchBySteps: boolean
  readonly inPass: 'first pass' | 'second pass' | 'both passes'
}

/** Tile size and overlap in pixels for model upscalers; size 0 takes the picture whole. */
export interface UpscalerTiles {
  readonly size: number
  readonly overlap: number
}

/** Which facts the infotext tells. */
export interface InfotextSettings {
  readonly modelName: boolean
  readonly modelHash: boolean
  readonly vaeName: boolean
  readonly vaeHash: boolean
  readonly networkHashes: boolean
  readonly embeddingHashes: boolean
  readonly version: string | undefined
  /** Parameters whose numbers were given as floats, though whole: `7.0`. */
  readonly floats: ReadonlySet<string>
}
