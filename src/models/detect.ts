import { StudioError } from '../errors.ts'
import type { Sidecars } from '../files/sidecars.ts'
import { titleOf, type WeightEntry, type WeightFile } from '../files/weights.ts'
import { checkWeights } from './checkWeights.ts'
import { classify } from './classify.ts'
import { compVisWeights } from './compVisWeights.ts'
import { type ModelConfig, sd1, sd2, type VaeConfig } from './configs.ts'
import { prefixes } from './keys.ts'
import { modelLayout, vaeLayout } from './layout.ts'
import { textSizes, unetSizes, vaeSizes } from './sizes.ts'
import { type Statements, statements } from './statements.ts'

export interface DetectedModel {
  readonly config: ModelConfig
  /** All tensors by CompVis names, OpenCLIP's joint projections split, whatever the file called them. */
  readonly weights: ReadonlyMap<string, WeightEntry>
  /** False for a checkpoint pruned of its VAE, which needs one chosen; `config.vae` then is SD 1's. */
  readonly hasVae: boolean
  /** Nothing says what the UNet predicts and shapes cannot tell: SD 2 exists in both kinds. v is assumed; a trial tells. */
  readonly isPredictionAssumed: boolean
  /** ᾱ [timesteps] as the checkpoint holds it, which the reference uses in place of its own computation. */
  readonly alphasCumprod: WeightEntry | undefined
}

/**
 * Tells what a checkpoint is and finds its tensors. Widths and depths are read off the shapes; what shapes cannot
 * tell (heads, what is predicted, scale factor) comes from the yaml beside it, a diffusers folder's configuration or
 * the file's metadata, and otherwise is as in the published model of its kind.
 */
export function detectModel(file: WeightFile, sidecars: Sidecars = {}): DetectedModel {
  const { kind, description, isSupported } = classify(file)
  if (kind !== 'checkpoint') throw wrong(file, `is ${description}, expected a Stable Diffusion checkpoint`)
  if (!isSupported) {
    throw new StudioError('unsupported', `${titleOf(file)}: is ${description}; SD 1.x and 2.x are supported`, {
      field: titleOf(file),
    })
  }

  const weights = compVisWeights(file)
  const hasVae = [...weights.keys()].some((name) => name.startsWith(prefixes.vae))
  const said = statements(file, sidecars)
  const { config, isPredictionAssumed } = configOf(file, weights, hasVae, said)
  checkStatements(config, said, hasVae)
  checkSupport(file, config, weights)
  checkWeights(file, weights, expectedTensors(config, hasVae))

  const alphas = weights.get('alphas_cumprod')
  const alphasCumprod = alphas?.shape.length === 1 && alphas.shape[0] === config.betas.timesteps ? alphas : undefined
  return { config, weights, hasVae, isPredictionAssumed, alphasCumprod }
}

/** Tells what a VAE's file is (or a checkpoint's, or a folder's) and finds its tensors, as `first_stage_model.…`. */
export function detectVae(file: WeightFile): { config: VaeConfig; weights: ReadonlyMap<string, WeightEntry> } {
  const all = compVisWeights(file)
  const weights = new Map([...all].filter(([name]) => name.startsWith(prefixes.vae)))
  const sizes = vaeSizes(weights)
  if (!sizes) throw wrong(file, `is ${classify(file).description}, expected a VAE`)
  const config = { ...sizes, normGroups: sd1.vae.normGroups }
  checkWeights(file, weights, vaeLayout(config))
  return { config, weights }
}

function configOf(file: WeightFile, weights: DetectedModel['weights'], hasVae: boolean, said: Statements) {
  const unet = unetSizes(weights)
  const text = textSizes(weights)
  if (!unet) throw wrong(file, `${prefixes.unet}input_blocks.0.0.weight is missing, expected a UNet's first layer`)
  if (!text) throw wrong(file, 'the token embedding is missing, expected the text encoder of SD 1 or SD 2')
  const vae = hasVae ? vaeSizes(weights) : sd1.vae
  if (!vae) throw wrong(file, `${prefixes.vae}decoder.conv_in.weight is missing, expected a whole VAE or none`)

  const model = text.kind === 'openclip' ? sd2 : sd1
  // Every SD 1 and every inpainting model of SD 2 predicts ε; of the others of SD 2 the larger, better known ones v.
  const isPredictionAssumed = said.prediction === undefined && model === sd2 && unet.inChannels === 4
  const config: ModelConfig = {
    kind: model.kind,
    prediction: said.prediction ?? (isPredictionAssumed ? 'v' : 'epsilon'),
    isInpainting: unet.inChannels === 9,
    scaleFactor: said.scaleFactor ?? model.scaleFactor,
    betas: { ...model.betas, ...said.betas },
    text: {
      ...text,
      heads: said.textHeads ?? headsLike(model.text, text.width),
      skippedLayers: said.skippedLayers ?? model.text.skippedLayers,
    },
    unet: {
      ...unet,
      heads: said.unetHeads ?? model.unet.heads,
      normGroups: said.unetNormGroups ?? model.unet.normGroups,
    },
    vae: { ...vae, normGroups: said.vaeNormGroups ?? model.vae.normGroups },
  }
  return { config, isPredictionAssumed }
}

/** As many heads as the published model, or as wide ones where that number does not divide the width. */
function headsLike(published: ModelConfig['text'], width: number): number {
  return width % published.heads === 0 ? published.heads : width / (published.width / published.heads)
}

/** The layers that are used; SD 2's last one may be missing. */
function expectedTensors(config: ModelConfig, hasVae: boolean) {
  const { text } = config
  const used = { ...config, text: { ...text, layers: text.layers - text.skippedLayers } }
  return new Map([...modelLayout(used)].filter(([name]) => hasVae || !name.startsWith(prefixes.vae)))
}

/** What the yaml says twice must be what the tensors are: a yaml of another model would mislead in what is said once. */
function checkStatements(
  { unet, vae, text }: ModelConfig,
  { sizes, textKind, source }: Statements,
  hasVae: boolean,
): void {
  const found = {
    'unet.inChannels': unet.inChannels,
    'unet.channels': unet.channels,
    'unet.mult': unet.mult,
    'unet.contextWidth': unet.contextWidth,
    'vae.channels': hasVae ? vae.channels : undefined,
  }
  const differ = (name: string, stated: unknown, is: unknown): never => {
    throw new StudioError(
      'wrong-architecture',
      `${source} says ${name} is ${String(stated)}, the tensors have ${String(is)}`,
    )
  }
  for (const [name, { stated, of }] of sizes) {
    const is = found[of]
    if (is !== undefined && String(stated) !== String(is)) differ(name, stated, is)
  }
  if (textKind !== undefined && textKind !== text.kind) differ('the text encoder', textKind, text.kind)
}

function checkSupport(file: WeightFile, { unet, text, vae, betas }: ModelConfig, weights: DetectedModel['weights']) {
  const refuse = (problem: string): never => {
    throw new StudioError('unsupported', `${titleOf(file)}: ${problem}`, { field: titleOf(file) })
  }
  if (![...weights.keys()].every((name) => !name.startsWith(`${prefixes.unet}label_emb.`))) {
    refuse('a UNet conditioned on a vector (unCLIP, upscaler, SDXL); plain SD 1.x and 2.x are supported')
  }
  if (unet.inChannels !== 4 && unet.inChannels !== 9) {
    refuse(`a UNet of ${unet.inChannels} input channels; 4, and 9 for inpainting, are supported`)
  }
  if (vae.latentChannels !== 4) refuse(`a VAE of ${vae.latentChannels} latent channels; 4 are supported`)
  const heads = 'count' in unet.heads ? unet.heads.count : unet.heads.channels
  const whole = [
    ...[...unet.mult, ...vae.mult, unet.normGroups, vae.normGroups, heads, text.heads, text.width / text.heads],
    ...unet.mult.map((factor) => (unet.channels * factor) / heads),
  ]
  if (!whole.every(Number.isInteger)) throw wrong(file, 'its widths are not divided evenly by its levels and heads')
  if (unet.contextWidth !== text.width) {
    throw wrong(file, `the UNet reads a context ${unet.contextWidth} wide, its text encoder gives ${text.width}`)
  }
  if (!(betas.timesteps > 0 && betas.timesteps <= 100_000 && Number.isInteger(betas.timesteps))) {
    throw wrong(file, `${betas.timesteps} training timesteps`)
  }
}

function wrong(file: WeightFile, problem: string): StudioError {
  return new StudioError('wrong-architecture', `${titleOf(file)}: ${problem}`, { field: titleOf(file) })
}
