import { z } from 'zod'
import { type ErrorCode, errorCodes } from '../errors.ts'

const count = z.int().nonnegative()
const text = z.string()
const code = z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]])

/** What a training's process writes down as it goes, a line of JSON for each: the trainer's events, and its own. */
const lineSchema = z.intersection(
  z.object({ at: z.number() }),
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('began'), pid: count }),
    z.object({ kind: z.literal('plan'), lines: z.array(text) }),
    z.object({ kind: z.literal('caching'), done: count, total: count }),
    z.object({ kind: z.literal('logging'), folder: text }),
    z.object({ kind: z.literal('resumed'), epoch: count, step: count }),
    z.object({
      kind: z.literal('step'),
      ...{ epoch: count, epochs: count, step: count, total: count },
      ...{ loss: z.number(), averageLoss: z.number(), seconds: z.number() },
    }),
    z.object({ kind: z.literal('validated'), epoch: count, step: count, loss: z.number(), isBest: z.boolean() }),
    z.object({ kind: z.literal('sampled'), path: text }),
    z.object({ kind: z.literal('saved'), path: text }),
    z.object({
      kind: z.literal('ended'),
      reason: z.enum(['done', 'stopped', 'early']),
      path: text,
      best: text.optional(),
    }),
    z.object({ kind: z.literal('failed'), code, message: text, field: text.optional() }),
  ]),
)

export type RunLine = z.output<typeof lineSchema>

/** A line of the file; undefined where it is none, as the last one is while it is being written. */
export function readRunLine(line: string): RunLine | undefined {
  try {
    return lineSchema.parse(JSON.parse(line))
  } catch {
    return undefined
  }
}
