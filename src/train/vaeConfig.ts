import { z } from 'zod'
import { count, optimizerSchema, positive } from './runConfig.ts'

/** The numbers of a run that trains an autoencoder, as its configuration file has them. */
export const vaeRunSchema = z.strictObject({
  seed: z.int().nonnegative(),
  /** A picture store, relative to the data folder. */
  data: z.string(),
  model: z.strictObject({
    channels: count,
    mult: z.array(count).min(1).max(8),
    resBlocks: count,
    latentChannels: count,
    normGroups: count,
  }),
  /** Sizes of the batches, one stage after the other. */
  stages: z.array(z.strictObject({ steps: count, batch: count, size: count })).min(1),
  accumulation: count,
  /** Computes parts of the way forth a second time instead of keeping them: less memory, more time. */
  recomputes: z.boolean().default(false),
  optimizer: optimizerSchema,
  loss: z.strictObject({
    gradient: z.number().nonnegative(),
    gradientScales: count,
    kl: z.number().nonnegative(),
  }),
  /** Held-out pictures reconstructed every so many steps. */
  judge: z.strictObject({ everySteps: count, pictures: count }),
  checkpointSeconds: positive,
})

export type VaeRun = z.output<typeof vaeRunSchema>
