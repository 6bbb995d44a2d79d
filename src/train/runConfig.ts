import { readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import { z } from 'zod'
import { StudioError } from '../errors.ts'
import { type NormalStream, normalStream } from '../tensor/random.ts'
import { lrSchedule, lrScheduleNames } from './lrSchedule.ts'
import { optimizerKinds } from './optimizers/kinds.ts'
import type { TrainingOptions } from './trainer.ts'

export const positive = z.number().positive()
export const count = z.int().positive()
export const share = z.number().min(0).max(1)

export const optimizerSchema = z.strictObject({
  kind: z.enum(optimizerKinds).default('adamw'),
  learningRate: positive,
  schedule: z.enum(lrScheduleNames),
  warmupSteps: z.int().nonnegative(),
  minRatio: share,
  weightDecay: z.number().nonnegative(),
  /** For the rules that keep a second average; their own unless given. */
  beta2: z.number().gt(0).lt(1).optional(),
  maxGradientNorm: positive,
  averageDecay: z.number().min(0).lt(1),
})

/** Where a run finds its data and keeps its state. */
export interface RunPlaces {
  /** The folder that paths in the configuration are relative to. */
  readonly dataDir: string
  /** Where checkpoint and logs are kept. */
  readonly folder: string
  readonly threads: number
}

/** What the trainer is told of an optimizer's numbers. */
export function optimizerOptions(
  optimizer: z.output<typeof optimizerSchema>,
  totalSteps: number,
  accumulation: number,
): TrainingOptions {
  const { schedule, learningRate, warmupSteps, minRatio } = optimizer
  return {
    ...optimizer,
    accumulation,
    schedule: lrSchedule({
      name: schedule,
      totalSteps,
      warmupSteps,
      minRatio,
      cycles: 1,
      power: 1,
      timescale: undefined,
      decaySteps: 0,
      baseRate: learningRate,
      pieces: { until: [], last: 1 },
    }),
  }
}

/** A stream of normal numbers of its own for each part of each step. */
export function streamOf(seed: number, step: number, part: number): NormalStream {
  return normalStream('nv', (BigInt(seed) << 48n) | (BigInt(step) << 16n) | BigInt(part))
}

/**
 * Reads a run's configuration, TOML or JSON by its extension, and checks it against the schema. A value that several
 * configurations share may lie in a file of its own beside them: `name = { file = "names.toml" }`.
 */
export function readRunConfig<Schema extends z.ZodType>(path: string, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(withFiles(readTable(path), dirname(path)))
  if (result.success) return result.data
  const [issue] = result.error.issues
  const field = issue?.path.join('.') ?? ''
  throw new StudioError('bad-request', `${path}: ${field}: ${issue?.message}`, { field })
}

function readTable(path: string): unknown {
  try {
    const text = readFileSync(path, 'utf8')
    return extname(path).toLowerCase() === '.json' ? JSON.parse(text) : parseToml(text)
  } catch (cause) {
    const problem = `cannot be read as a configuration: ${(cause as Error).message}`
    throw new StudioError('bad-file', `${path}: ${problem}`, { cause })
  }
}

const elsewhere = z.strictObject({ file: z.string() })

/** A table whose values that lie in other files have been read from there, each by its own name. */
function withFiles(value: unknown, folder: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => {
      const named = elsewhere.safeParse(item)
      if (!named.success) return [key, withFiles(item, folder)]
      const table = z.record(z.string(), z.unknown()).safeParse(readTable(join(folder, named.data.file)))
      return [key, table.data?.[key]]
    }),
  )
}
