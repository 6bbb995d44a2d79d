import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../../files/replaceFile.ts'
import { encodePng } from '../../image/encode.ts'
import { generate } from '../../pipeline/generate.ts'
import type { StudioSettings } from '../../pipeline/studio.ts'
import { recipeFromRequest } from '../../pipeline/wire/recipeFromRequest.ts'
import { type EmbeddingFacts, writeEmbedding } from '../../pipeline/writeEmbedding.ts'
import type { TextEmbedding } from '../../text/embeddings.ts'
import { embeddingToText } from '../../text/pictureEmbedding.ts'
import { type LoneStudio, openAlone } from '../loneStudio.ts'
import type { PreparedEmbedding } from './prepare.ts'

/** Pictures that show how far an embedding has come. */
export class EmbeddingPreviews {
  readonly #run: PreparedEmbedding
  readonly #settings: StudioSettings
  #open: LoneStudio | undefined

  constructor(run: PreparedEmbedding, settings: StudioSettings) {
    this.#run = run
    this.#settings = settings
  }

  /**
   * Draws a picture with the embedding as it is now, by the preview's prompt or a text that was learnt from. Gives the
   * paths of `images/<name>-<step>.png` and, where that is wanted, of the same with the embedding in it.
   */
  async *draw(embedding: TextEmbedding, learntText: string, facts: EmbeddingFacts): AsyncGenerator<string> {
    const { args, base, prompting, folders } = this.#run
    this.#open ??= openAlone(base, this.#settings)
    const { folder, studio } = this.#open
    mkdirSync(join(folder, 'embeddings'), { recursive: true })
    writeEmbedding(join(folder, 'embeddings', `${embedding.name}.safetensors`), embedding.vectors, facts)
    const asked = args.preview_from_txt2img
      ? {
          prompt: args.preview_prompt,
          negative_prompt: args.preview_negative_prompt,
          steps: args.preview_steps,
          sampler_name: args.preview_sampler_name,
          cfg_scale: args.preview_cfg_scale,
          seed: args.preview_seed,
          width: args.preview_width,
          height: args.preview_height,
        }
      : {
          prompt: learntText,
          steps: 20,
          sampler_name: 'Euler a',
          width: args.training_width,
          height: args.training_height,
        }
    const override_settings = { CLIP_stop_at_last_layers: prompting.clipSkip, emphasis: prompting.emphasis }
    const recipe = await recipeFromRequest({ ...asked, override_settings }, 'txt2img', studio)
    for await (const progress of generate(studio, recipe)) {
      if (progress.kind !== 'image') continue
      const { picture, infotext } = progress.image
      const file = `${embedding.name}-${facts.step}.png`
      const parameters = ['parameters', infotext] as const
      const path = join(folders.run, 'images', file)
      replaceFile(path, [await encodePng(picture, { text: [parameters] })])
      yield path
      if (!args.save_image_with_stored_embedding) continue
      const about = { step: facts.step, sd_checkpoint: facts.checkpointHash, sd_checkpoint_name: facts.checkpointName }
      const carried = ['sd-ti-embedding', embeddingToText(embedding, about)] as const
      replaceFile(join(folders.run, 'image_embeddings', file), [
        await encodePng(picture, { text: [parameters, carried] }),
      ])
    }
  }

  async dispose(): Promise<void> {
    await this.#open?.dispose()
    this.#open = undefined
  }
}
