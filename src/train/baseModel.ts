import { z } from 'zod'
import { type Source, sourceSchema } from '../dataset/sources.ts'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { rowsInUse } from '../files/sparseRows.ts'
import { detectModel } from '../models/detect.ts'
import { prefixes } from '../models/keys.ts'
import { type TrainedParts, tokenTable } from './frozenParts.ts'
import type { Parameters } from './parameters.ts'

/** A model that a run takes further. */
export interface BaseModel {
  readonly parts: TrainedParts
  readonly unet: Parameters
}

/** Metadata that tells what a model has learnt from. */
export const sourcesKey = 'training_sources'

/** Reads a checkpoint that `exportModel` wrote, for a run that trains its noise predictor further. */
export function readBaseModel(path: string): BaseModel {
  const file = openWeights(path)
  const { config, weights } = detectModel(file)
  if (config.scaleFactor !== 1 || config.text.kind !== 'clip') {
    const problem = 'is no model of three trained parts, whose latents have a deviation of 1'
    throw new StudioError('unsupported', `${path}: ${problem}`, { field: path })
  }
  const of = (prefix: string) => {
    const own = [...weights].filter(([name]) => name.startsWith(prefix) && name !== tokenTable)
    return new Map(own.map(([name, entry]) => [name, readWeight(entry)]))
  }
  const { stored, ids } = rowsInUse(weights.get(tokenTable)!)
  const text = of(prefixes.clip).set(tokenTable, stored)
  return {
    parts: {
      text: { config: config.text, weights: text, tokens: ids },
      vae: { config: config.vae, weights: of(prefixes.vae) },
      sources: sourcesIn(path, file.metadata.get(sourcesKey)),
    },
    unet: of(prefixes.unet),
  }
}

function sourcesIn(path: string, text: string | undefined): readonly Source[] {
  try {
    return z.array(sourceSchema).parse(JSON.parse(text ?? ''))
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: its metadata has no ${sourcesKey}`, { field: path, cause })
  }
}
