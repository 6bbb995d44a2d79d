import { extname } from 'node:path'
import { StudioError } from '../../errors.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { checkSampler } from '../../pipeline/wire/pass.ts'
import { readEmbeddingFacts } from '../../pipeline/writeEmbedding.ts'
import type { EmbeddingArguments } from './parameters.ts'
import { type StepSchedule, stepSchedule } from './stepSchedule.ts'
import { readTemplate } from './templates.ts'
import type { TextDraws } from './texts.ts'

/** How a latent is drawn from what the autoencoder makes of a picture: once for a run, its mean, or anew each time. */
type LatentSampling = 'once' | 'deterministic' | 'random'

/** What the parameters of a training mean, as far as that can be said without its pictures. */
export interface EmbeddingSettings {
  readonly embedding: {
    readonly name: string
    readonly path: string
    /** Steps it has behind it. */
    readonly step: number
  }
  readonly rates: StepSchedule
  readonly clip: { readonly mode: 'value' | 'norm'; readonly limit: StepSchedule } | undefined
  /** Steps after which the training ends. */
  readonly totalSteps: number
  readonly draws: TextDraws & { readonly latents: LatentSampling }
}

/** Checks parameters and finds the embedding and the template, without reading what is large. */
export function embeddingSettings(args: EmbeddingArguments, studio: Studio): EmbeddingSettings {
  if (args.embedding_name === undefined || args.embedding_name === '')
    throw wrong('embedding_name', 'missing', 'a name')
  if (args.data_root === undefined || args.data_root === '') throw wrong('data_root', 'missing', 'a folder of pictures')
  for (const name of ['batch_size', 'gradient_step', 'steps'] as const) within(args, name, 1, 1e9)
  for (const name of ['training_width', 'training_height', 'preview_width', 'preview_height'] as const) {
    within(args, name, 64, 8192)
    if (args[name] % 8 !== 0) throw wrong(name, args[name], 'a multiple of 8')
  }
  for (const name of ['create_image_every', 'save_embedding_every'] as const) within(args, name, 0, 1e9)
  within(args, 'tag_drop_out', 0, 1)
  within(args, 'seed', 0, 2 ** 32 - 1)
  within(args, 'preview_steps', 1, 1000)
  if (args.clip_skip !== undefined) within({ clip_skip: args.clip_skip }, 'clip_skip', 1, 12)
  checkSampler(args.preview_sampler_name, 'preview_sampler_name')

  const { path } = studio.library.embedding(args.embedding_name, 'embedding_name')
  if (extname(path) !== '.safetensors') {
    throw new StudioError(
      'unsupported',
      `embedding_name: "${args.embedding_name}" is a ${extname(path)} file, expected a .safetensors such as create/embedding writes`,
      { field: 'embedding_name' },
    )
  }
  const step = readEmbeddingFacts(path).step ?? 0
  const rates = stepSchedule(args.learn_rate, args.steps, 'learn_rate')
  if (step >= rates.end) {
    const field = rates.end < args.steps ? 'learn_rate' : 'steps'
    throw wrong(field, rates.end, `more than the ${step} steps that "${args.embedding_name}" has behind it`)
  }
  const mode = oneOf('clip_grad_mode', args.clip_grad_mode, ['disabled', 'value', 'norm'])
  return {
    embedding: { name: args.embedding_name, path, step },
    rates,
    clip:
      mode === 'disabled'
        ? undefined
        : { mode, limit: stepSchedule(args.clip_grad_value, args.steps, 'clip_grad_value') },
    totalSteps: rates.end,
    draws: {
      template: readTemplate(studio.dataDir, args.template_filename),
      shufflesTags: args.shuffle_tags,
      tagDropOut: args.tag_drop_out,
      latents: oneOf('latent_sampling_method', args.latent_sampling_method, ['once', 'deterministic', 'random']),
    },
  }
}

function within<Name extends string>(
  args: Readonly<Record<Name, number>>,
  name: Name,
  least: number,
  most: number,
): void {
  if (args[name] < least || args[name] > most) throw wrong(name, args[name], `from ${least} to ${most}`)
}

function oneOf<Choice extends string>(field: string, found: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((each) => each === found)
  if (choice === undefined) throw wrong(field, `"${found}"`, choices.join(', '))
  return choice
}

function wrong(field: string, found: string | number, expected: string): StudioError {
  return new StudioError('bad-request', `${field}: found ${found}, expected ${expected}`, { field })
}
