import { z } from 'zod'
import type { Source } from '../dataset/sources.ts'
import { StudioError } from '../errors.ts'
import { sha256 } from '../files/hash.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { rowsInUse, sparseRows } from '../files/sparseRows.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { configKey, configText } from '../models/configInMetadata.ts'
import type { ModelConfig } from '../models/configs.ts'
import { sourcesKey } from './baseModel.ts'
import { halfEntryOf, readAverages } from './checkpoint.ts'
import { openParts, tokenTable } from './frozenParts.ts'
import { checkpointPath } from './run.ts'
import { modelConfigOf, unetRunSchema } from './unetConfig.ts'
import { partsPath } from './unetRun.ts'

export interface ExportOptions {
  /** Folder of the run that trained the noise predictor; it also has the other parts. */
  readonly folder: string
  readonly path: string
  readonly title: string
}

/**
 * Writes a checkpoint of all three parts, as their averages stand: CompVis names, half precision, of the token table
 * only the rows that were trained. What else is to know of the model is in the metadata.
 */
export async function exportModel({ folder, path, title }: ExportOptions): Promise<ModelConfig> {
  const checkpoint = checkpointPath(folder)
  const { averages, fingerprint } = readAverages(checkpoint)
  const run = runIn(checkpoint, fingerprint)
  const parts = openParts(partsPath(folder))
  if (run.parts !== (await sha256(parts.path))) {
    throw new StudioError('bad-file', `${parts.path}: is not what ${checkpoint} was trained on`, { field: parts.path })
  }
  const config = modelConfigOf(run, parts)
  const table = parts.weights.get(tokenTable)
  if (!table) throw new StudioError('bad-file', `${parts.path}: ${tokenTable} is missing`, { field: parts.path })
  const rows = table.shape[0]!
  const { stored, ids } = rowsInUse(table)
  const sparse = sparseRows(halfEntryOf(tokenTable, stored), ids, rows)
  const rest = [...parts.weights.values()].filter(({ name }) => name !== tokenTable)
  const tensors = [
    ...sparse.entries,
    ...rest.map((entry) => halfEntryOf(entry.name, readWeight(entry))),
    ...[...averages].map(([name, tensor]) => halfEntryOf(name, tensor)),
  ]
  const step = openWeights(checkpoint).metadata.get('step') ?? ''
  writeSafetensors(path, tensors, new Map([sparse.metadata, ...describe(config, parts.sources, run.size, title, step)]))
  return config
}

function runIn(path: string, fingerprint: string) {
  const schema = z.object({
    model: unetRunSchema.shape.model,
    prediction: unetRunSchema.shape.prediction,
    zeroTerminalSnr: unetRunSchema.shape.zeroTerminalSnr,
    parts: z.string(),
    size: z.int().positive(),
  })
  try {
    return schema.parse(JSON.parse(fingerprint))
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: is a checkpoint of another kind of run`, { field: path, cause })
  }
}

function describe(
  config: ModelConfig,
  sources: readonly Source[],
  size: number,
  title: string,
  step: string,
): readonly (readonly [string, string])[] {
  return [
    [configKey, configText(config, size)],
    [sourcesKey, JSON.stringify(sources)],
    ['training_steps', step],
    ['modelspec.sai_model_spec', '1.0.0'],
    ['modelspec.architecture', 'stable-diffusion-v1'],
    ['modelspec.title', title],
    ['modelspec.resolution', `${size}x${size}`],
    ['modelspec.prediction_type', config.prediction],
  ]
}
