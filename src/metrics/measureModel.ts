import type { EmojiRow } from '../dataset/emoji/buildEmojiSet.ts'
import { onGround, whiteGround } from '../dataset/emoji/ground.ts'
import { nounOf, withArticle } from '../dataset/emoji/nouns.ts'
import type { PictureStore } from '../dataset/pictureStore.ts'
import { rowsOf, type Split } from '../dataset/split.ts'
import type { Rgb8 } from '../image/picture.ts'
import { toPixels } from '../image/pixels.ts'
import { autoencoder } from '../pipeline/autoencoder.ts'
import { generate } from '../pipeline/generate.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import type { Studio } from '../pipeline/studio.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import { rows, type Tensor } from '../tensor/tensor.ts'
import { copyDifference, nearestDifferences } from './copies.ts'
import type { Evaluator } from './evaluator.ts'
import { type Measured, meanOf, shareOf } from './interval.ts'
import { kernelDistance } from './kid.ts'
import { ranksOf, recallAt } from './retrieval.ts'

/** Captions among which a picture's own is looked for. */
export const choices = 64

export interface ModelMeasuring {
  readonly studio: Studio
  readonly evaluator: Evaluator
  /** Drawings of the training styles: some to compare with, some that were held out. */
  readonly store: PictureStore<EmojiRow>
  /** Groups of the drawings that the model was to learn. */
  readonly groups: readonly string[]
  /** 64 prompts by their kind. */
  readonly prompts: Readonly<Record<string, readonly string[]>>
  /** Each prompt is painted with so many seeds. */
  readonly seeds: number
  readonly steps: number
  readonly cfgScale: number
  readonly onProgress?: (done: number, total: number) => void
}

/** What a model is worth, by pictures it made and by drawings it was not shown. */
export interface ModelReport {
  readonly checkpoint: { readonly name: string; readonly sha256: string | undefined }
  readonly prompts: number
  readonly seeds: number
  readonly steps: number
  readonly cfgScale: number
  /** Share of captions that find their own picture among 64 at the first place, and among the first five. */
  readonly generated: Retrieval
  readonly byKind: Readonly<Record<string, Retrieval>>
  readonly heldOut: Retrieval
  /** Kernel distance of generated pictures from held-out renderings, and of training drawings from those. */
  readonly kid: Measured
  readonly kidOfTrainingDrawings: Measured
  /** Share of pictures that are as good as a drawing that was trained on. */
  readonly copies: Measured
  readonly copiesOfHeldOut: Measured
  /** Decibels of the autoencoder on held-out renderings and on the style that was never trained on. */
  readonly psnr: Measured
  readonly psnrOtherStyle: Measured
}

interface Retrieval {
  readonly first: Measured
  readonly firstFive: Measured
}

/** Paints the prompts and measures what came of them; also returns the pictures of the first seed, in order. */
export async function measureModel(
  measuring: ModelMeasuring,
): Promise<{ readonly report: ModelReport; readonly sheet: readonly Rgb8[] }> {
  const { studio, evaluator, store, seeds, steps, cfgScale } = measuring
  const kinds = Object.entries(measuring.prompts).flatMap(([kind, texts]) => texts.map(() => kind))
  const prompts = Object.values(measuring.prompts).flat()
  const { pictures, recipe } = await paint(measuring, prompts)

  const captions = await evaluator.captions(prompts)
  const vectors = await evaluator.pictures(pictures)
  const ranks = Array.from({ length: seeds }, (_, round) =>
    ranksOf(captions, rows(vectors, round * prompts.length, (round + 1) * prompts.length)),
  )
  const ranksOfKind = (kind: string) => ranks.flatMap((all) => all.filter((_, i) => kinds[i] === kind))

  const heldOut = drawingsOf(store, 'held-out', measuring.groups)
  const heldOutVectors = await evaluator.pictures(heldOut.map(({ picture }) => picture))
  const training = drawingsOf(store, 'training', measuring.groups)
  const some = training.filter((_, i) => i % Math.max(1, Math.floor(training.length / heldOut.length)) === 0)
  const someVectors = await evaluator.pictures(some.map(({ picture }) => picture))
  const onWhite = training.map(({ picture }) => picture)
  const other = drawingsOf(store, 'other-style', measuring.groups).slice(0, heldOut.length)

  const report: ModelReport = {
    checkpoint: { name: recipe.checkpoint.name, sha256: recipe.checkpoint.hash },
    prompts: prompts.length,
    seeds,
    steps,
    cfgScale,
    generated: retrievalOf(ranks.flat()),
    byKind: Object.fromEntries([...new Set(kinds)].map((kind) => [kind, retrievalOf(ranksOfKind(kind))])),
    heldOut: retrievalOf(await heldOutRanks(evaluator, heldOut)),
    kid: kernelDistance(vectors, heldOutVectors),
    kidOfTrainingDrawings: kernelDistance(someVectors, heldOutVectors),
    copies: copiesAmong(pictures, onWhite),
    copiesOfHeldOut: copiesAmong(
      heldOut.map(({ picture }) => picture),
      onWhite,
    ),
    psnr: await decibelsOf(
      studio,
      recipe,
      heldOut.map(({ picture }) => picture),
    ),
    psnrOtherStyle: await decibelsOf(
      studio,
      recipe,
      other.map(({ picture }) => picture),
    ),
  }
  return { report, sheet: pictures.slice(0, prompts.length) }
}

/** All prompts with the first seed, then all with the next. */
async function paint(
  { studio, seeds, steps, cfgScale, onProgress }: ModelMeasuring,
  prompts: readonly string[],
): Promise<{ readonly pictures: readonly Rgb8[]; readonly recipe: Recipe }> {
  const pictures: Rgb8[] = []
  let recipe: Recipe | undefined
  for (let seed = 1; seed <= seeds; seed++) {
    for (const prompt of prompts) {
      const body = { prompt, seed, steps, cfg_scale: cfgScale, sampler_name: 'DPM++ 2M' }
      const asked = await recipeFromRequest(body, 'txt2img', studio)
      const events = generate(studio, asked)
      for (let event = await events.next(); ; event = await events.next()) {
        if (event.done) {
          recipe = event.value.recipe
          break
        }
        if (event.value.kind === 'image') pictures.push(event.value.image.picture)
      }
      onProgress?.(pictures.length, seeds * prompts.length)
    }
  }
  if (!recipe) throw new Error('internal: no prompts to paint')
  return { pictures, recipe }
}

interface Drawing {
  readonly caption: string
  readonly noun: string
  readonly picture: Rgb8
}

/** Drawings of a split on white, with a caption of each. */
function drawingsOf(store: PictureStore<EmojiRow>, split: Split, groups: readonly string[]): readonly Drawing[] {
  return rowsOf(store.rows, split)
    .filter((row) => groups.includes(store.rows[row]!.group))
    .map((row) => {
      const { label, group, style } = store.rows[row]!
      return {
        caption: `${style} of ${withArticle(label.toLowerCase())}`,
        noun: nounOf({ label, group }),
        picture: onGround(store.read(row), whiteGround),
      }
    })
}

/** Ranks within sets of 64 drawings of different things; what does not fill a set is left out. */
async function heldOutRanks(evaluator: Evaluator, drawings: readonly Drawing[]): Promise<readonly number[]> {
  const sets: Drawing[][] = []
  for (const drawing of drawings) {
    const room = sets.find((set) => set.length < choices && set.every(({ noun }) => noun !== drawing.noun))
    if (room) room.push(drawing)
    else sets.push([drawing])
  }
  const ranks: number[] = []
  for (const set of sets.filter(({ length }) => length === choices)) {
    const captions = await evaluator.captions(set.map(({ caption }) => caption))
    ranks.push(...ranksOf(captions, await evaluator.pictures(set.map(({ picture }) => picture))))
  }
  return ranks
}

function retrievalOf(ranks: readonly number[]): Retrieval {
  const share = (places: number) => shareOf(Math.round(recallAt(ranks, places) * ranks.length), ranks.length)
  return { first: share(1), firstFive: share(5) }
}

function copiesAmong(pictures: readonly Rgb8[], drawings: readonly Rgb8[]): Measured {
  const differences = nearestDifferences(pictures, drawings)
  return shareOf(differences.filter((difference) => difference < copyDifference).length, pictures.length)
}

/** Peak signal-to-noise ratios of pictures that went through the model's autoencoder. */
async function decibelsOf(studio: Studio, recipe: Recipe, pictures: readonly Rgb8[]): Promise<Measured> {
  const vae = autoencoder(studio.model(recipe), recipe, studio.pool)
  const decibels: number[] = []
  for (const picture of pictures) {
    const pixels = toPixels([picture])
    const { mean } = await vae.encode(pixels)
    decibels.push(signalToNoise(pixels, await vae.decode(mean)))
  }
  return meanOf(decibels)
}

/** 10·log₁₀(4/mean square error): values span −1…1. */
function signalToNoise(original: Tensor, reconstruction: Tensor): number {
  let error = 0
  for (let i = 0; i < original.data.length; i++) {
    error += (Math.min(1, Math.max(-1, reconstruction.data[i]!)) - original.data[i]!) ** 2
  }
  return 10 * Math.log10((4 * original.data.length) / error)
}
