import { z } from 'zod'
import { type Source, sourceSchema } from '../dataset/sources.ts'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { sparseRows } from '../files/sparseRows.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import type { TextConfig, VaeConfig } from '../models/configs.ts'
import { prefixes } from '../models/keys.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { entryOf, readAverages } from './checkpoint.ts'
import { type ClipModel, clipRunSchema, textConfigOf, vocabulary } from './clipConfig.ts'
import { vocabularyName } from './clipRun.ts'
import type { Parameters } from './parameters.ts'
import { checkpointPath } from './run.ts'
import { vaeRunSchema } from './vaeConfig.ts'

/** A text encoder and an autoencoder as a noise predictor is trained on them: they change no more. */
export interface FrozenParts {
  readonly path: string
  readonly text: TextConfig
  readonly vae: VaeConfig
  /** What they and what is built on them have learnt from. */
  readonly sources: readonly Source[]
  /** Both by their names in a checkpoint. */
  readonly weights: ReadonlyMap<string, WeightEntry>
}

export const tokenTable = `${prefixes.clip}embeddings.token_embedding.weight`
const positionTable = `${prefixes.clip}embeddings.position_embedding.weight`

/** The text encoder that a run has trained, with the tokens that its table's rows stand for. */
export interface TrainedText {
  readonly config: TextConfig
  readonly weights: Parameters
  readonly tokens: Int32Array
}

/** Both encoders that a run has trained. */
export interface TrainedClip {
  readonly model: ClipModel
  readonly averages: Parameters
  readonly tokens: Int32Array
}

/** Reads the averaged encoders of a run. */
export function readTrainedClip(folder: string): TrainedClip {
  const path = checkpointPath(folder)
  const { averages, fingerprint } = readAverages(path)
  const schema = clipRunSchema.pick({ text: true, window: true, picture: true, embedding: true })
  const model = modelIn(path, fingerprint, schema)
  const entry = openWeights(path).entries.get(vocabularyName)
  if (!entry) throw new StudioError('bad-file', `${path}: ${vocabularyName} is missing`, { field: path })
  return { model, averages, tokens: Int32Array.from(readWeight(entry).data) }
}

/** Reads the averaged text encoder of a run. Positions beyond the ones it was trained with are like the last of them. */
export function readTrainedText(folder: string): TrainedText {
  const { model, averages, tokens } = readTrainedClip(folder)
  const config = textConfigOf(model)
  const weights = new Map([...averages].filter(([name]) => name.startsWith(prefixes.clip)))
  const positions = weights.get(positionTable)!
  const last = positions.data.subarray((model.window - 1) * config.width)
  const all = new Float32Array(config.tokens * config.width)
  for (let at = 0; at < config.tokens; at++) all.set(last, at * config.width)
  all.set(positions.data)
  weights.set(positionTable, { shape: [config.tokens, config.width], data: all })
  return { config, weights, tokens }
}

/** Reads the averaged autoencoder of a run. */
export function readTrainedVae(folder: string): { readonly config: VaeConfig; readonly weights: Parameters } {
  const path = checkpointPath(folder)
  const { averages, fingerprint } = readAverages(path)
  return { config: modelIn(path, fingerprint, vaeRunSchema.shape.model), weights: averages }
}

function modelIn<Schema extends z.ZodType>(path: string, fingerprint: string, schema: Schema): z.output<Schema> {
  try {
    return schema.parse(z.object({ model: z.unknown() }).parse(JSON.parse(fingerprint)).model)
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: is a checkpoint of another kind of run`, { field: path, cause })
  }
}

/** Mean and deviation of each channel of latents. */
export interface LatentStatistics {
  readonly means: readonly number[]
  readonly deviations: readonly number[]
}

/**
 * The same autoencoder with latents whose channels have mean 0 and deviation 1: the layers of kernel 1 on both sides
 * of the latent take (z − mean)/deviation in and out, so pictures are reconstructed as before.
 */
export function whitened(vae: Parameters, { means, deviations }: LatentStatistics): Parameters {
  const result = new Map(vae)
  const changed = (name: string, change: (data: Float32Array) => void) => {
    const { shape, data } = vae.get(`${prefixes.vae}${name}`)!
    const copy = data.slice()
    change(copy)
    result.set(`${prefixes.vae}${name}`, { shape, data: copy })
  }
  const channels = means.length
  changed('quant_conv.weight', (w) => {
    for (let c = 0; c < channels; c++) for (let i = 0; i < 2 * channels; i++) w[c * 2 * channels + i]! /= deviations[c]!
  })
  changed('quant_conv.bias', (b) => {
    for (let c = 0; c < channels; c++) {
      b[c] = (b[c]! - means[c]!) / deviations[c]!
      b[channels + c]! -= 2 * Math.log(deviations[c]!)
    }
  })
  const { data: decode } = vae.get(`${prefixes.vae}post_quant_conv.weight`)!
  changed('post_quant_conv.weight', (w) => {
    for (let i = 0; i < w.length; i++) w[i]! *= deviations[i % channels]!
  })
  changed('post_quant_conv.bias', (b) => {
    for (let c = 0; c < channels; c++) for (let i = 0; i < channels; i++) b[c]! += decode[c * channels + i]! * means[i]!
  })
  return result
}

const configsSchema = z.object({
  sources: z.array(sourceSchema),
  text: clipRunSchema.shape.text.extend({
    kind: z.literal('clip'),
    vocabulary: z.literal(vocabulary),
    tokens: z.int().positive(),
    skippedLayers: z.literal(0),
  }),
  vae: vaeRunSchema.shape.model,
})

/** What `writeParts` writes. */
export interface TrainedParts {
  readonly text: TrainedText
  readonly vae: { readonly config: VaeConfig; readonly weights: Parameters }
  readonly sources: readonly Source[]
}

/** Writes both parts to a file, from which `openParts` has them. */
export function writeParts(path: string, { text, vae, sources }: TrainedParts): void {
  const { entries, metadata } = sparseTable(text)
  const rest = [...text.weights, ...vae.weights].filter(([name]) => name !== tokenTable)
  const configs = JSON.stringify({ text: text.config, vae: vae.config, sources })
  writeSafetensors(
    path,
    [...entries, ...rest.map(([name, tensor]) => entryOf(name, tensor))],
    new Map([metadata, ['configs', configs]]),
  )
}

function sparseTable({ weights, tokens }: TrainedText) {
  return sparseRows(entryOf(tokenTable, weights.get(tokenTable) as Tensor), tokens, vocabulary)
}

/** Opens what `writeParts` wrote. */
export function openParts(path: string): FrozenParts {
  const { entries, metadata } = openWeights(path)
  try {
    const { text, vae, sources } = configsSchema.parse(JSON.parse(metadata.get('configs') ?? ''))
    return { path, text, vae, sources, weights: entries }
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: does not say what its parts are`, { field: path, cause })
  }
}
