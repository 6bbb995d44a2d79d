import { basename } from 'node:path'
import { type ErrorCode, StudioError } from '../../errors.ts'
import { hypernetworkTags, loraTags, parseExtraNetworks } from '../../text/extraNetworks.ts'
import type { Library } from '../library.ts'
import type { EmbeddingFile, FileIdentity, ModelFiles } from '../recipe.ts'
import type { Options } from './options.ts'

/**
 * Names in a request as the files they stand for. A name that nothing has is an error that says where it stood, or,
 * where the request is read leniently, a note and what the reference would have taken instead.
 */
export class Names {
  readonly notes: string[] = []
  readonly #library: Library
  readonly #lenient: boolean

  constructor(library: Library, lenient: boolean) {
    this.#library = library
    this.#lenient = lenient
  }

  /** A checkpoint, and the VAE that goes with it. */
  async model(
    name: string,
    field: string,
    { sd_vae, sd_vae_overrides_per_model_preferences }: Options,
  ): Promise<ModelFiles> {
    const { entry, identity } = this.#library.checkpoint(name, field)
    const vae = this.orElse(
      () => this.#library.vae(sd_vae, entry, sd_vae_overrides_per_model_preferences, 'override_settings.sd_vae'),
      () => undefined,
    )
    return {
      checkpoint: identity,
      vae: vae === undefined ? undefined : await this.#library.identity(basename(vae), vae),
    }
  }

  /** A model that infotexts mention beside the first, which they do with its hash. */
  async secondModel(name: string, field: string, options: Options): Promise<ModelFiles> {
    const { checkpoint, vae } = await this.model(name, field, options)
    return { checkpoint: await this.#library.identity(checkpoint.name, checkpoint.path), vae }
  }

  /** The networks that prompts ask for, by the names they use. */
  async networks(prompts: readonly string[]): Promise<ReadonlyMap<string, FileIdentity>> {
    const found = new Map<string, FileIdentity>()
    for (const prompt of new Set(prompts)) {
      const { networks } = parseExtraNetworks(prompt)
      if (hypernetworkTags(networks).length > 0) {
        throw new StudioError('unsupported', 'prompt: hypernetworks are not supported', { field: 'prompt' })
      }
      // One strength that is no number, and the reference goes on without any network.
      const tags = this.orElse(
        () => loraTags(networks),
        () => undefined,
        'bad-request',
      )
      if (!tags) return new Map()
      for (const { name } of tags) {
        const file = this.orElse(
          () => this.#library.network(name, 'prompt'),
          () => undefined,
        )
        if (file) found.set(name, await this.#library.networkIdentity(name, file))
      }
    }
    return found
  }

  /**
   * The embeddings whose names occur in prompts, by name: those of the folder, and what networks bring along under
   * names that the folder does not have.
   */
  async embeddings(
    prompts: readonly string[],
    networks: ReadonlyMap<string, FileIdentity>,
    { lora_bundled_ti_to_infotext: tellsNetwork }: Options,
  ): Promise<ReadonlyMap<string, EmbeddingFile>> {
    const texts = [...new Set(prompts)].map(letters)
    const isMentioned = (name: string) => texts.some((text) => text.includes(letters(name)))
    const found = new Map<string, EmbeddingFile>()
    for (const { stem, path } of this.#library.embeddings()) {
      if (isMentioned(stem)) found.set(stem, { ...(await this.#library.identity(stem, path)), isBundled: false })
    }
    for (const [network, { path }] of networks) {
      for (const name of this.#library.bundledEmbeddings(path)) {
        if (!isMentioned(name) || found.has(name)) continue
        found.set(name, { name, path, hash: tellsNetwork ? network : '', isBundled: true })
      }
    }
    return found
  }

  /** The result of `find`, or `instead` where its name is unknown (or what else `code` says) and that is no error. */
  orElse<T>(find: () => T, instead: () => T, code: ErrorCode = 'unknown-name'): T {
    try {
      return find()
    } catch (error) {
      if (!this.#lenient || !(error instanceof StudioError) || error.code !== code) throw error
      this.notes.push(error.message)
      return instead()
    }
  }
}

/** Text as far as tokens can depend on it: case and space are nothing to the tokenizer. */
function letters(text: string): string {
  return text.toLowerCase().replace(/\s+/g, '')
}
