import { z } from 'zod'
import { type ModelConfig, sd1, type UnetConfig } from '../models/configs.ts'
import type { FrozenParts } from './frozenParts.ts'
import { count, optimizerSchema, positive, share } from './runConfig.ts'
import { scenesSchema } from './scenesConfig.ts'

/** The numbers of a run that trains a noise predictor, as its configuration file has them. */
export const unetRunSchema = z
  .strictObject({
    seed: z.int().nonnegative(),
    /** A picture store, relative to the data folder. */
    data: z.string(),
    /** Folders of the runs, relative to the data folder, that trained the parts this one builds on. */
    autoencoder: z.string().optional(),
    text: z.string().optional(),
    /** Or a model, relative to the data folder, that an earlier run ended with: its parts stay, its noise predictor goes on. */
    base: z.string().optional(),
    prediction: z.enum(['epsilon', 'v']),
    model: z.strictObject({
      channels: count,
      mult: z.array(count).min(1).max(8),
      resBlocks: count,
      attention: z.array(z.boolean()),
      headChannels: count,
      transformerDepth: count,
      normGroups: count,
    }),
    steps: count,
    batch: count,
    accumulation: count,
    /** Computes parts of the way forth a second time instead of keeping them: less memory, more time. */
    recomputes: z.boolean().default(false),
    /** Pictures that are drawn and encoded before training. */
    examples: count,
    /** What drawings are made into; not needed where pictures came with captions. */
    scenes: scenesSchema.optional(),
    /** Share of captions left empty, for guidance. */
    captionDropout: share,
    /** γ of min-SNR weighting; 0 weighs all timesteps alike. */
    minSnr: z.number().nonnegative(),
    noiseOffset: z.number().nonnegative(),
    /** Whether the last timestep is noise alone, for which `v` must be predicted: there ε says nothing of the picture. */
    zeroTerminalSnr: z.boolean().default(false),
    optimizer: optimizerSchema,
    /** Every so many steps: errors on held-out pictures, and a sheet of pictures of some prompts. */
    judge: z.strictObject({
      everySteps: count,
      pictures: count,
      timesteps: z.array(z.int().min(0).max(999)).min(1),
      samplingSteps: count,
      cfgScale: positive,
      seed: z.int().nonnegative(),
      prompts: z.array(z.string()).min(1),
    }),
    checkpointSeconds: positive,
  })
  .refine(({ zeroTerminalSnr, prediction }) => !zeroTerminalSnr || prediction === 'v', {
    path: ['zeroTerminalSnr'],
    message: 'needs prediction = "v"',
  })

export type UnetRun = z.output<typeof unetRunSchema>

/** The noise predictor of a run. */
export function unetConfigOf(
  { model }: Pick<UnetRun, 'model'>,
  { text, vae }: Pick<FrozenParts, 'text' | 'vae'>,
): UnetConfig {
  const { headChannels, ...rest } = model
  return {
    ...rest,
    inChannels: vae.latentChannels,
    outChannels: vae.latentChannels,
    heads: { channels: headChannels },
    contextWidth: text.width,
    isLinearInTransformer: false,
  }
}

/** The model that a run makes of its parts. Their latents have a deviation of 1 as they are. */
export function modelConfigOf(
  run: Pick<UnetRun, 'model' | 'prediction' | 'zeroTerminalSnr'>,
  parts: FrozenParts,
): ModelConfig {
  const { text, vae } = parts
  const { prediction, zeroTerminalSnr } = run
  const betas = { ...sd1.betas, isZeroTerminal: zeroTerminalSnr }
  return { ...sd1, prediction, scaleFactor: 1, betas, text, vae, unet: unetConfigOf(run, parts) }
}
