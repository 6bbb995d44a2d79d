import type { Betas } from '../diffusion/betas.ts'

/** The text encoder's numbers. */
export interface TextConfig {
  /**
   * `clip`: the names and QuickGELU of OpenAI's CLIP as Transformers writes it (SD 1).
   * `openclip`: the names and exact GELU of OpenCLIP (SD 2).
   */
  readonly kind: 'clip' | 'openclip'
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly mlpWidth: number
  readonly vocabulary: number
  /** Tokens in a chunk: the length of the position table. */
  readonly tokens: number
  /** Last layers the diffusion model was trained without: SD 2 reads the penultimate one. */
  readonly skippedLayers: number
}

/** The denoiser's numbers. */
export interface UnetConfig {
  /** 4; 9 for inpainting (latent, mask, masked latent), 8 for instruct-pix2pix. */
  readonly inChannels: number
  readonly outChannels: number
  /** Channels of the first level; level i has `channels · mult[i]`. */
  readonly channels: number
  readonly mult: readonly number[]
  readonly resBlocks: number
  /** Whether each level has transformers, in the order of `mult`. */
  readonly attention: readonly boolean[]
  /** Heads per transformer of a given width: a fixed number (SD 1: 8), or channels / a fixed size (SD 2: 64). */
  readonly heads: { readonly count: number } | { readonly channels: number }
  /** Transformer blocks at each place of attention. */
  readonly transformerDepth: number
  readonly contextWidth: number
  /** Whether a transformer enters and leaves through linear layers (SD 2) or 1×1 convolutions (SD 1). */
  readonly isLinearInTransformer: boolean
  /** Groups of the group normalisations. */
  readonly normGroups: number
}

/** The autoencoder's numbers. */
export interface VaeConfig {
  readonly channels: number
  readonly mult: readonly number[]
  readonly resBlocks: number
  /** Channels of a latent. */
  readonly latentChannels: number
  /** Groups of the group normalisations. */
  readonly normGroups: number
}

/** All a checkpoint's numbers. */
export interface ModelConfig {
  readonly kind: 'sd1' | 'sd2'
  /** What the UNet predicts: the noise ε, or v = α·ε − σ·x. */
  readonly prediction: 'epsilon' | 'v'
  readonly isInpainting: boolean
  /** A latent is the encoder's mean times this: brings its standard deviation to about 1. */
  readonly scaleFactor: number
  /** Linear-in-√β schedule of training. */
  readonly betas: Betas
  readonly text: TextConfig
  readonly unet: UnetConfig
  readonly vae: VaeConfig
}

/** Fixed in the code of the published models, so no checkpoint of theirs says it. */
const normGroups = 32
const vae: VaeConfig = { channels: 128, mult: [1, 2, 4, 4], resBlocks: 2, latentChannels: 4, normGroups }
const betas = { start: 0.00085, end: 0.012, timesteps: 1000 }

/** Stable Diffusion 1.x, as published by CompVis and Runway. */
export const sd1: ModelConfig = {
  kind: 'sd1',
  prediction: 'epsilon',
  isInpainting: false,
  scaleFactor: 0.18215,
  betas,
  text: {
    kind: 'clip',
    layers: 12,
    width: 768,
    heads: 12,
    mlpWidth: 3072,
    vocabulary: 49408,
    tokens: 77,
    skippedLayers: 0,
  },
  unet: {
    inChannels: 4,
    outChannels: 4,
    channels: 320,
    mult: [1, 2, 4, 4],
    resBlocks: 2,
    attention: [true, true, true, false],
    heads: { count: 8 },
    transformerDepth: 1,
    contextWidth: 768,
    isLinearInTransformer: false,
    normGroups,
  },
  vae,
}

/** Stable Diffusion 2.x, as published by Stability AI. The file has 24 text layers; 23 are used. */
export const sd2: ModelConfig = {
  ...sd1,
  kind: 'sd2',
  text: {
    kind: 'openclip',
    layers: 24,
    width: 1024,
    heads: 16,
    mlpWidth: 4096,
    vocabulary: 49408,
    tokens: 77,
    skippedLayers: 1,
  },
  unet: { ...sd1.unet, heads: { channels: 64 }, contextWidth: 1024, isLinearInTransformer: true },
}
