import type { Rgb8 } from '../image/picture.ts'
import { type GenerateOptions, generate } from '../pipeline/generate.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { PictureRequest } from '../pipeline/wire/images.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import type { Body } from '../scripts/painter.ts'
import { axesOf } from '../scripts/xyz/axes.ts'
import { type CompareAxis, strengthText } from './axis.ts'

/** What is compared: prompts with two words in them, of which one stands for a version and one for a strength. */
export interface Comparison {
  readonly prompts: readonly string[]
  readonly negativePrompt: string
  /** Each prompt is painted with each of them. */
  readonly seeds: readonly number[]
  readonly versions: CompareAxis<string>
  readonly strengths: CompareAxis<number>
  /** Further fields of an A1111 request: size, steps, sampler, options. */
  readonly body: Body
}

/** A picture and what it was to show. */
export interface PaintedCell {
  /** All prompts with the first seed, then all with the next. */
  readonly pictures: readonly Rgb8[]
  readonly infotexts: readonly string[]
}

/** The pictures of a comparison. */
export interface Painted {
  /** What the model paints without the network, prompts and seeds as in every cell. */
  readonly base: PaintedCell
  /** By version, then by strength. */
  readonly cells: readonly (readonly PaintedCell[])[]
  readonly checkpoint: Recipe['checkpoint']
  readonly notes: readonly string[]
}

export interface PaintControls extends Pick<GenerateOptions, 'signal'> {
  readonly onProgress?: (done: number, total: number, what: string) => void
}

/**
 * Paints a comparison. All strengths of one version, prompt and seed are one batch, in which every picture has the
 * network at its own strength; networks that have to be merged into weights are painted one by one.
 */
export async function paintComparison(
  studio: Studio,
  comparison: Comparison,
  { signal, onProgress }: PaintControls = {},
): Promise<Painted> {
  const { prompts, seeds, versions, strengths } = comparison
  const perCell = prompts.length * seeds.length
  const total = perCell * (1 + versions.values.length * strengths.values.length)
  const notes = new Set<string>()
  let done = 0
  let checkpoint: Recipe['checkpoint'] | undefined

  const paint = async (version: string, ladder: readonly number[]): Promise<readonly PaintedCell[]> => {
    const pictures = seeds.flatMap((seed) =>
      prompts.flatMap((_, prompt) =>
        ladder.map((strength) => pictureOf(studio, comparison, { version, strength, prompt, seed })),
      ),
    )
    const recipeOf = (batch: number) =>
      recipeFromRequest({ ...comparison.body, batch_size: batch }, 'txt2img', studio, {
        pictures,
        networksOf: 'each picture',
      })
    const one = await recipeOf(1)
    const model = await studio.settledModel(one)
    const isBeside = [...one.networks.values()].every(({ path }) => studio.shelf.runsBeside(model, path))
    const recipe = isBeside && ladder.length > 1 ? await recipeOf(ladder.length) : one
    for (const note of recipe.notes) notes.add(note)
    const images: { picture: Rgb8; infotext: string }[] = []
    const events = generate(studio, recipe, signal ? { signal } : {})
    for (let event = await events.next(); ; event = await events.next()) {
      if (event.done) {
        checkpoint ??= event.value.recipe.checkpoint
        break
      }
      if (event.value.kind !== 'image') continue
      const { picture, infotext } = event.value.image
      images.push({ picture, infotext })
      done++
      onProgress?.(done, total, version)
    }
    return ladder.map((_, step) => {
      const own = images.filter((__, i) => i % ladder.length === step)
      return { pictures: own.map(({ picture }) => picture), infotexts: own.map(({ infotext }) => infotext) }
    })
  }

  const [base] = await paint(versions.values[0]!, [0])
  const cells: (readonly PaintedCell[])[] = []
  for (const version of versions.values) cells.push(await paint(version, strengths.values))
  return { base: base!, cells, checkpoint: checkpoint!, notes: [...notes] }
}

interface Place {
  readonly version: string
  readonly strength: number
  readonly prompt: number
  readonly seed: number
}

/** The prompts of a picture, its words exchanged by the very axis that X/Y/Z plots exchange them by. */
function pictureOf(
  studio: Studio,
  { prompts, negativePrompt, versions, strengths }: Comparison,
  { version, strength, prompt, seed }: Place,
): PictureRequest {
  let body: Body = { prompt: prompts[prompt]!, negative_prompt: negativePrompt }
  for (const [field, searched, value] of [
    ['versions', versions.searched, version],
    ['strengths', strengths.searched, strengthText(strength)],
  ] as const) {
    body = { ...body, ...promptReplacing.set(value, { studio, body, values: [searched], field }) }
  }
  return { prompt: String(body.prompt), negativePrompt: String(body.negative_prompt), seed }
}

const promptReplacing = axesOf('txt2img').find(({ label }) => label === 'Prompt S/R')!
