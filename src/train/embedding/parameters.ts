import type { Given } from '../given.ts'
import { flag, inert, none, number, text, whole } from '../parameterKinds.ts'
import { type Parameter, readParameters } from '../readParameters.ts'

/** Every parameter of A1111's training of an embedding, with the defaults of its page; in the end some of our own. */
export const embeddingParameters = {
  embedding_name: text(none as string | undefined),
  /** A rate, or several with the step that each is in force until: `0.005:100, 1e-3:1000, 1e-5`. */
  learn_rate: text('0.005'),
  batch_size: whole(1),
  /** Batches whose mean gradient a step takes. */
  gradient_step: whole(1),
  data_root: text(none as string | undefined),
  log_directory: text('textual_inversion'),
  training_width: whole(512),
  training_height: whole(512),
  /** Pictures keep their sizes. */
  varsize: flag,
  /** Steps in all, those that the embedding has behind it included. */
  steps: whole(100_000),
  clip_grad_mode: text('disabled'),
  /** Spelled as a rate is. */
  clip_grad_value: text('0.1'),
  shuffle_tags: flag,
  /** How likely each tag of a picture is left out of a text. */
  tag_drop_out: number(0),
  latent_sampling_method: text('once'),
  /** Errors count by how opaque a picture is. */
  use_weight: flag,
  create_image_every: whole(500),
  save_embedding_every: whole(500),
  template_filename: text('style_filewords.txt'),
  /** Previews carry the embedding. */
  save_image_with_stored_embedding: { kind: 'flag', fallback: true as boolean },
  /** Previews are of the prompt below instead of a text that has been learnt from. */
  preview_from_txt2img: flag,
  preview_prompt: text(''),
  preview_negative_prompt: text(''),
  preview_steps: whole(20),
  preview_sampler_name: text('Euler a'),
  preview_cfg_scale: number(7),
  preview_seed: whole(-1),
  preview_width: whole(512),
  preview_height: whole(512),
  id_task: inert('a training is told from others by its run'),

  /** A checkpoint by its name or path; the one in use unless given. */
  checkpoint: text(none as string | undefined),
  vae: text(none as string | undefined),
  clip_skip: whole(none as number | undefined),
  seed: whole(0),
  gradient_checkpointing: flag,
  /** An embedding that is not there is made, with so many vectors that begin as the words of `init_text`. */
  num_vectors_per_token: whole(none as number | undefined),
  init_text: text('*'),
  /** Goes on from the last state, though the embedding itself was not written after it. */
  resume: flag,
} as const satisfies Readonly<Record<string, Parameter>>

/** The value of every parameter. */
export type EmbeddingArguments = {
  readonly [Name in keyof typeof embeddingParameters]: (typeof embeddingParameters)[Name]['fallback']
}

/** The parameters from a configuration's tables and a command line, of which later ones win. */
export function readEmbeddingArguments(given: Iterable<readonly [string, Given]>): {
  readonly values: EmbeddingArguments
  readonly notes: readonly string[]
} {
  const { values, notes } = readParameters(embeddingParameters, given)
  return { values: values as EmbeddingArguments, notes }
}
