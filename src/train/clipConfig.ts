import { z } from 'zod'
import type { TextConfig } from '../models/configs.ts'
import { count, optimizerSchema, positive } from './runConfig.ts'
import { scenesSchema } from './scenesConfig.ts'

/** The numbers of a run that trains a text encoder beside a picture encoder, as its configuration file has them. */
export const clipRunSchema = z.strictObject({
  seed: z.int().nonnegative(),
  /** A picture store, relative to the data folder. */
  data: z.string(),
  text: z.strictObject({ layers: count, width: count, heads: count, mlpWidth: count }),
  /** Tokens of a caption while training, its beginning and end included; longer ones are cut. */
  window: z.int().min(3).max(77),
  picture: z.strictObject({ size: count, channels: count, mult: z.array(count).min(1).max(7), normGroups: count }),
  /** Length of the vectors that pictures and captions are compared by. */
  embedding: count,
  loss: z.enum(['siglip', 'clip']),
  steps: count,
  batch: z.int().min(2),
  accumulation: count,
  /** Computes parts of the way forth a second time instead of keeping them: less memory, more time. */
  recomputes: z.boolean().default(false),
  /** Pictures that are drawn before training and then shown again and again, each time with another caption. */
  examples: count,
  /** What drawings are made into; not needed where pictures came with captions. */
  scenes: scenesSchema.optional(),
  optimizer: optimizerSchema,
  /** Every so many steps captions of held-out pictures look for them among 64. */
  judge: z.strictObject({ everySteps: count, pictures: count }),
  checkpointSeconds: positive,
})

export type ClipRun = z.output<typeof clipRunSchema>

/** What a run decides about the model: what its checkpoint can be read as. */
export type ClipModel = Pick<ClipRun, 'text' | 'window' | 'picture' | 'embedding'>

export const vocabulary = 49408

/** The trained text encoder, of which only `window` positions and the rows of `tokens` have been learnt. */
export function textConfigOf({ text }: Pick<ClipModel, 'text'>): TextConfig {
  return { kind: 'clip', ...text, vocabulary, tokens: 77, skippedLayers: 0 }
}
