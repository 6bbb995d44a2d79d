import { StudioError } from '../errors.ts'
import { parseBlockWeights } from '../lora/blockWeights.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { loraTags, parseExtraNetworks } from '../text/extraNetworks.ts'
import { conditionOn, type Timeline } from './conditioning.ts'
import type { LearntWord } from './embeddingFile.ts'
import type { Facts } from './infotext.ts'
import type { Model } from './model.ts'
import type { AdaptedModel, AskedNetwork } from './networks.ts'
import type { FileIdentity, Recipe } from './recipe.ts'
import type { Painter } from './source.ts'
import type { Studio } from './studio.ts'
import { textEncoder } from './textEncoder.ts'

/** A recipe under way: what all its batches share. */
export interface Job {
  readonly studio: Studio
  readonly recipe: Recipe
  readonly facts: Facts
  readonly embeddings: readonly LearntWord[]
  /** Ends the job with an error before the next step. */
  readonly signal: AbortSignal | undefined
  /** Ends sampling before the next step; what has been reached becomes the picture. */
  readonly interrupt: AbortSignal | undefined
  /** Ends the sampling of the current batch in the same way. */
  readonly skip: SkipRequest | undefined
}

/** A wish to go on with the next batch; the job takes it back when the batch has ended. */
export interface SkipRequest {
  isMade: boolean
}

/** Whether sampling is to end with what it has reached. */
export function isCutShort({ interrupt, skip }: Pick<Job, 'interrupt' | 'skip'>): boolean {
  return interrupt?.aborted === true || skip?.isMade === true
}

/** A picture's prompts, tags included. */
export interface Prompts {
  readonly prompt: string
  readonly negativePrompt: string
}

/** Throws where the caller has asked to stop. */
export function checkCancelled({ signal }: Pick<Job, 'signal'>): void {
  if (signal?.aborted) throw new StudioError('cancelled', 'stopped on request')
}

/** The model of a checkpoint with the networks that a batch's prompts ask for. */
export function adaptModel({ studio, recipe }: Job, model: Model, prompts: readonly Prompts[]): Promise<AdaptedModel> {
  return studio.shelf.adapt(model, batchNetworks(recipe, prompts))
}

/**
 * The networks of a batch: those of its first prompt, or of every prompt, with a strength for each picture, which is 0
 * where its prompt does not ask for the network.
 */
export function batchNetworks(recipe: Recipe, prompts: readonly Prompts[]): AskedNetwork[] {
  if (recipe.prompting.networksOf !== 'each picture') return askedNetworks(recipe, prompts[0]!.prompt)
  const together = new Map<string, AskedNetwork & { text: number[]; unet: number[] }>()
  for (const [picture, { prompt }] of prompts.entries()) {
    const times = new Map<string, number>()
    for (const { text, unet, ...use } of askedNetworks(recipe, prompt)) {
      const alike = JSON.stringify({ ...use, blocks: use.blocks && [...use.blocks] })
      const time = (times.get(alike) ?? 0) + 1
      times.set(alike, time)
      const known = together.get(`${alike} ${time}`) ?? {
        ...use,
        text: prompts.map(() => 0),
        unet: prompts.map(() => 0),
      }
      known.text[picture] = text
      known.unet[picture] = unet
      together.set(`${alike} ${time}`, known)
    }
  }
  return [...together.values()]
}

/** A network with the strengths that one prompt gives it. */
interface SinglyAsked extends AskedNetwork {
  readonly text: number
  readonly unet: number
}

/**
 * The networks a prompt asks for, in its order; those that the recipe does not know are left out. One that is named
 * twice is applied twice, and both times as it was named last: the reference keeps one strength for a network.
 */
export function askedNetworks({ networks, prompting }: Recipe, prompt: string): SinglyAsked[] {
  if (prompting.disableNetworks || networks.size === 0) return []
  const tags = loraTags(parseExtraNetworks(prompt).networks)
  const last = new Map(tags.map((tag) => [tag.name, tag]))
  return tags.flatMap(({ name }): SinglyAsked[] => {
    const file = networks.get(name)
    const tag = last.get(name)
    if (!file || !tag) return []
    return [
      {
        path: file.path,
        text: tag.textEncoder,
        unet: tag.unet,
        ...(tag.dyn !== undefined && { dyn: tag.dyn }),
        ...(tag.blockWeights !== undefined && { blocks: parseBlockWeights(tag.blockWeights) }),
      },
    ]
  })
}

/** A model ready to paint a batch's prompts: their tags taken out, the rest read by the text encoder of `reader`. */
export async function preparePainter(
  { studio, recipe, embeddings }: Job,
  adapted: AdaptedModel,
  reader: AdaptedModel,
  prompts: readonly Prompts[],
  timeline: Timeline,
): Promise<Painter> {
  const tokenizer = studio.tokenizer(reader.model.config.text.kind)
  const asked = new Set(batchNetworks(recipe, prompts).map(({ path }) => path))
  const present = embeddings.filter(({ file }) => !file.isBundled || asked.has(file.path))
  const learnt = present.map(({ embedding }) => embedding)
  const encode = textEncoder(reader, recipe.prompting, learnt, tokenizer, studio.pool)
  const texts = prompts.map(({ prompt, negativePrompt }) => ({
    prompt: parseExtraNetworks(prompt).text,
    negativePrompt,
  }))
  const conditioning = await conditionOn(texts, timeline, encode, reader.isVaried)
  const emptyChunks: Tensor[] = []
  if (recipe.guidance.padding === 'empty') {
    const readers = reader.isVaried ? prompts.keys() : [0]
    for (const picture of readers) emptyChunks.push((await encode([''], picture)).contexts[0]!)
  }
  return { adapted, conditioning, emptyChunks }
}

/** Notes what prompts turned out to use. */
export function notePrompts({ recipe, facts }: Job, { conditioning }: Painter): void {
  const { writing, embeddings, prompting } = recipe
  const hashes = conditioning.embeddings.flatMap((name) => {
    const file = embeddings.get(name)
    if (file?.hash === undefined) return []
    return [file.isBundled ? `${tidy(name)}: ${file.hash}` : hashText(name, file.hash)]
  })
  if (writing.embeddingHashes && hashes.length > 0) facts.set('TI hashes', hashes.join(', '))
  if (conditioning.hasBrackets && prompting.emphasis !== 'Original') facts.set('Emphasis', prompting.emphasis)
}

/** Notes the networks that prompts brought in. */
export function noteNetworks({ recipe, facts }: Job, prompts: readonly string[]): void {
  const { networks, writing, prompting } = recipe
  if (!writing.networkHashes || prompting.disableNetworks || networks.size === 0) return
  const tags = prompts.flatMap((prompt) => loraTags(parseExtraNetworks(prompt).networks))
  const named = tags.flatMap(({ name }): FileIdentity[] => {
    const file = networks.get(name)
    return file ? [file] : []
  })
  const texts = named.flatMap(({ name, hash }) => (hash === undefined ? [] : [hashText(name, hash)]))
  if (texts.length > 0) facts.set('Lora hashes', [...new Set(texts)].join(', '))
}

function hashText(name: string, hash: string): string {
  return `${tidy(name)}: ${hash.slice(0, 12)}`
}

/** A name without what separates names from hashes. */
function tidy(name: string): string {
  return name.replace(/[:,]/g, '')
}
