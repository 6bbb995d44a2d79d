import { StudioError } from '../../errors.ts'
import { hypernetworkTags, loraTags, parseExtraNetworks } from '../../text/extraNetworks.ts'
import type { Library } from '../library.ts'
import type { FileIdentity } from '../recipe.ts'

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

  checkpoint(name: string, field: string): FileIdentity {
    return this.#library.checkpoint(name, field).identity
  }

  /** The networks that prompts ask for, by the names they use. */
  networks(prompts: readonly string[]): ReadonlyMap<string, FileIdentity> {
    const found = new Map<string, FileIdentity>()
    for (const prompt of new Set(prompts)) {
      const { networks } = parseExtraNetworks(prompt)
      if (hypernetworkTags(networks).length > 0) {
        throw new StudioError('unsupported', 'prompt: hypernetworks are not supported', { field: 'prompt' })
      }
      for (const { name } of loraTags(networks)) {
        const file = this.orElse(
          () => this.#library.network(name, 'prompt'),
          () => undefined,
        )
        if (file) found.set(name, file)
      }
    }
    return found
  }

  /** The embeddings whose names occur in prompts, by name. */
  embeddings(prompts: readonly string[]): ReadonlyMap<string, FileIdentity> {
    const texts = [...new Set(prompts)].map(letters)
    const files = this.#library.embeddings().filter(({ stem }) => texts.some((text) => text.includes(letters(stem))))
    return new Map(files.map(({ stem, path }) => [stem, this.#library.identity(stem, path)]))
  }

  /** The result of `find`, or `instead` where its name is unknown and that is no error. */
  orElse<T>(find: () => T, instead: () => T): T {
    try {
      return find()
    } catch (error) {
      if (!this.#lenient || !(error instanceof StudioError) || error.code !== 'unknown-name') throw error
      this.notes.push(error.message)
      return instead()
    }
  }
}

/** Text as far as tokens can depend on it: case and space are nothing to the tokenizer. */
function letters(text: string): string {
  return text.toLowerCase().replace(/\s+/g, '')
}
