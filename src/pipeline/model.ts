import { alphasCumprod } from '../diffusion/betas.ts'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { readSidecars } from '../files/sidecars.ts'
import type { WeightEntry } from '../files/weights.ts'
import type { ModelConfig } from '../models/configs.ts'
import { detectModel, detectVae } from '../models/detect.ts'
import { prefixes } from '../models/keys.ts'
import type { FileIdentity } from './recipe.ts'

/** A checkpoint whose headers have been read, with the VAE it is used with. */
export interface Model {
  readonly checkpoint: FileIdentity
  readonly vae: FileIdentity | undefined
  readonly config: ModelConfig
  /** All tensors by CompVis names. */
  readonly weights: ReadonlyMap<string, WeightEntry>
  /** ᾱ of training by timestep. */
  readonly alphasCumprod: Float32Array
  /** `config.prediction` is a guess that a trial can confirm or correct. */
  readonly isPredictionAssumed: boolean
}

/** Reads what a checkpoint and the VAE chosen for it are; their numbers stay on disk. */
export function openModel(checkpoint: FileIdentity, vae: FileIdentity | undefined): Model {
  const detected = detectModel(openWeights(checkpoint.path), readSidecars(checkpoint.path))
  const { hasVae, isPredictionAssumed } = detected
  if (!hasVae && !vae) {
    throw new StudioError('wrong-architecture', `${checkpoint.name}: has no VAE of its own; choose one of models/VAE`, {
      field: 'sd_vae',
    })
  }
  const { config, weights } = vae ? withVae(detected, vae) : detected
  const alphas = detected.alphasCumprod
  return {
    checkpoint,
    vae,
    config,
    weights,
    alphasCumprod: alphas ? readWeight(alphas).data : alphasCumprod(config.betas),
    isPredictionAssumed,
  }
}

function withVae(
  { config, weights }: { config: ModelConfig; weights: ReadonlyMap<string, WeightEntry> },
  { path }: FileIdentity,
): { config: ModelConfig; weights: ReadonlyMap<string, WeightEntry> } {
  const vae = detectVae(openWeights(path))
  const others = [...weights].filter(([name]) => !name.startsWith(prefixes.vae))
  return { config: { ...config, vae: vae.config }, weights: new Map([...others, ...vae.weights]) }
}
