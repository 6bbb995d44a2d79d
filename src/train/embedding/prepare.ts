import { join, resolve } from 'node:path'
import { StudioError } from '../../errors.ts'
import { strftime } from '../../image/strftime.ts'
import { createEmbedding } from '../../pipeline/createEmbedding.ts'
import { readEmbedding } from '../../pipeline/embeddingFile.ts'
import type { Model } from '../../pipeline/model.ts'
import type { ModelFiles } from '../../pipeline/recipe.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { pythonRandom } from '../../tensor/pythonRandom.ts'
import { type ChunkedPrompt, chunkPrompt } from '../../text/chunks.ts'
import { indexEmbeddings, type TextEmbedding } from '../../text/embeddings.ts'
import type { EmphasisMode } from '../../text/emphasis.ts'
import { chunkPromptOld } from '../../text/oldEmphasis.ts'
import { epochBatches } from '../batches.ts'
import { refuseInpainting, trainingFiles } from '../trainingBase.ts'
import { type EmbeddingPicture, readPictures } from './data.ts'
import type { EmbeddingArguments } from './parameters.ts'
import { type EmbeddingSettings, embeddingSettings } from './settings.ts'
import { drawText } from './texts.ts'

/** A training of an embedding whose every part has been found and understood, before anything is computed. */
export interface PreparedEmbedding extends EmbeddingSettings {
  readonly args: EmbeddingArguments
  readonly base: Model
  readonly learnt: TextEmbedding
  readonly prompting: { readonly emphasis: EmphasisMode; readonly skip: number; readonly clipSkip: number }
  /** A text as generation reads it. */
  readonly chunked: (text: string) => ChunkedPrompt
  readonly pictures: readonly EmbeddingPicture[]
  readonly batch: number
  readonly schedule: {
    readonly batchesPerEpoch: number
    readonly stepsPerEpoch: number
    /** Batches of a step. */
    readonly parts: number
    readonly epochs: number
  }
  readonly folders: EmbeddingFolders
  /** Steps between two rows of the table of losses; 0 for none. */
  readonly tableEvery: number
  readonly notes: readonly string[]
}

/** Where a training writes. */
interface EmbeddingFolders {
  /** `<log_directory>/<date>/<name>` */
  readonly run: string
  /** What the training goes on from; one for all trainings of an embedding. */
  readonly state: string
}

/** Reads the base model, the embedding and the pictures. Relative paths begin at `folder`. */
export async function prepareEmbedding(
  { values: args, notes: read }: { readonly values: EmbeddingArguments; readonly notes: readonly string[] },
  studio: Studio,
  folder: string,
): Promise<PreparedEmbedding> {
  const settings = embeddingSettings(args, studio)
  const { options } = studio
  const base = await openBase(args, studio, folder)
  const { text, vae } = base.config
  const learnt = await readEmbedding({ ...settings.embedding, isBundled: false })
  checkFit(learnt, base)

  const scale = 2 ** (vae.mult.length - 1)
  const data = await readPictures(resolve(folder, args.data_root ?? ''), {
    size: args.varsize ? undefined : [args.training_width, args.training_height],
    step: scale,
    names: { wordRegex: options.dataset_filename_word_regex, joinString: options.dataset_filename_join_string },
  })
  const tokenizer = studio.tokenizer(text.kind)
  const reading = {
    tokenizer,
    embeddings: indexEmbeddings([learnt], tokenizer),
    emphasis: options.emphasis,
    commaBacktrack: options.comma_padding_backtrack,
  }
  const cut = options.use_old_emphasis_implementation ? chunkPromptOld : chunkPrompt
  const chunked = (said: string) => cut(said, reading)
  checkTexts(settings, data.pictures, chunked)

  const batch = Math.min(args.batch_size, data.pictures.length)
  const batchesPerEpoch = epochBatches([{ train: data.pictures, settings: { batch } }], 1, 0).length
  const parts = Math.min(args.gradient_step, batchesPerEpoch)
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / parts)
  const notes = [...read, ...data.notes]
  if (batch < args.batch_size)
    notes.push(`batch_size: ${args.batch_size} is more than there are pictures; ${batch} instead`)
  if (parts < args.gradient_step) {
    notes.push(`gradient_step: ${args.gradient_step} is more than an epoch has batches; ${parts} instead`)
  }
  const clipSkip = args.clip_skip ?? options.CLIP_stop_at_last_layers
  const logs = resolve(studio.dataDir, args.log_directory === '' ? 'textual_inversion' : args.log_directory)
  return {
    ...settings,
    args,
    base,
    learnt,
    prompting: {
      emphasis: options.emphasis,
      clipSkip,
      skip: text.kind === 'clip' ? clipSkip - 1 : text.skippedLayers,
    },
    chunked,
    pictures: data.pictures,
    batch,
    schedule: { batchesPerEpoch, stepsPerEpoch, parts, epochs: Math.ceil(settings.totalSteps / stepsPerEpoch) },
    folders: {
      run: join(logs, strftime(new Date(), '%Y-%m-%d'), settings.embedding.name),
      state: join(logs, 'states', `${settings.embedding.name}.safetensors`),
    },
    tableEvery: options.training_write_csv_every,
    notes,
  }
}

/** Makes the embedding of a training where it is not there and the number of its vectors is given; the path if it did. */
export function beginEmbedding(args: EmbeddingArguments, studio: Studio, folder: string): string | undefined {
  const { embedding_name: name, num_vectors_per_token: vectors, init_text: text } = args
  if (name === undefined || vectors === undefined) return undefined
  if (vectors < 1 || vectors > 75) {
    const field = 'num_vectors_per_token'
    throw new StudioError('bad-request', `${field}: found ${vectors}, expected from 1 to 75`, { field })
  }
  if (studio.library.embeddings().some(({ stem }) => stem === name)) return undefined
  return createEmbedding(
    studio,
    { name, vectors, text, overwrite: false },
    studio.model(baseFiles(args, studio, folder)),
  )
}

/** The checkpoint and the VAE that pictures are made with, unless others are named. */
function baseFiles({ checkpoint, vae }: EmbeddingArguments, studio: Studio, folder: string): ModelFiles {
  const { sd_model_checkpoint, sd_vae } = studio.options
  const named = { checkpoint: checkpoint ?? sd_model_checkpoint ?? '', vae: vae ?? sd_vae }
  return trainingFiles(named, 'checkpoint', { studio, folder })
}

async function openBase(args: EmbeddingArguments, studio: Studio, folder: string): Promise<Model> {
  const model = await studio.settledModel(baseFiles(args, studio, folder))
  refuseInpainting(model, 'checkpoint')
  return model
}

function checkFit({ name, vectors, vectorsG }: TextEmbedding, { checkpoint, config }: Model): void {
  const width = vectors.shape[1]
  if (width === config.text.width && !vectorsG) return
  throw new StudioError(
    'wrong-architecture',
    `embedding_name: "${name}" has vectors of ${vectorsG ? 'two encoders' : `${width} numbers`}, ${checkpoint.name} expects ${config.text.width}`,
    { field: 'embedding_name' },
  )
}

/** An embedding of which no text speaks cannot be learnt. */
function checkTexts(
  { embedding, draws }: EmbeddingSettings,
  pictures: readonly EmbeddingPicture[],
  chunked: (text: string) => ChunkedPrompt,
): void {
  const isIn = (line: string, words: string) => {
    const always = { template: [line], shufflesTags: false, tagDropOut: 0 }
    const { chunks } = chunked(drawText(embedding.name, words, always, pythonRandom(0)))
    return chunks.some(({ fixes }) => fixes.length > 0)
  }
  if (pictures.some(({ words }) => draws.template.some((line) => isIn(line, words)))) return
  throw new StudioError(
    'bad-request',
    `template_filename: no text of it speaks of "${embedding.name}", expected lines with [name]`,
    { field: 'template_filename' },
  )
}
