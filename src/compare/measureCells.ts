import { colourSide, meanSaturation, measuredSide, shrunkTo } from '../dataset/quality/measures.ts'
import { toL } from '../image/channels.ts'
import { laplacianVariance } from '../image/edges.ts'
import type { Rgb8 } from '../image/picture.ts'
import { copyDifference, nearestDifferences } from '../metrics/copies.ts'
import type { Evaluator } from '../metrics/evaluator.ts'
import { type Measured, meanOf, shareOf } from '../metrics/interval.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { isBreak, parseEmphasis } from '../text/emphasis.ts'
import { parseExtraNetworks } from '../text/extraNetworks.ts'
import type { Comparison, Painted } from './paint.ts'

/** What is measured of the pictures of one cell, or of the base model. */
export interface CellMeasures {
  /** 100 · cosine of picture and prompt (CLIP score, Hessel et al. 2021); undefined without a judge. */
  readonly clipScore: Measured | undefined
  /** Mean cosine with the training pictures (CLIP-I, Ruiz et al. 2022); undefined without these or a judge. */
  readonly trainingSimilarity: Measured | undefined
  /** Mean cosine with what the base model paints for the same prompts and seeds. */
  readonly baseSimilarity: Measured | undefined
  /** Share of pictures as good as a training picture, and the difference of the nearest pair, of 0 to 1. */
  readonly nearCopies: { readonly share: Measured; readonly nearest: number } | undefined
  /** Geometric means over the pictures of numbers that fall where a picture goes soft or grey. */
  readonly detail: number
  readonly saturation: number
  readonly contrast: number
}

/** The same of single pictures, in their order: cells are told apart by how their pictures differ pair by pair. */
export interface PictureScores {
  readonly clipScores: readonly number[] | undefined
  readonly trainingSimilarities: readonly number[] | undefined
}

export interface MeasuredCell extends CellMeasures {
  readonly scores: PictureScores
}

/** What a comparison has come to, in numbers. */
export interface MeasuredComparison {
  readonly base: MeasuredCell
  /** By version, then by strength. */
  readonly cells: readonly (readonly MeasuredCell[])[]
  /** The training pictures' own looks; undefined without them. */
  readonly training: Looks | undefined
}

interface Looks {
  readonly detail: number
  readonly saturation: number
  readonly contrast: number
}

/** What pictures are judged by, where it is there. */
export interface Judging {
  readonly evaluator: Evaluator | undefined
  readonly training: readonly Rgb8[]
}

/** Measures every cell of a painted comparison. */
export async function measureComparison(
  { prompts, seeds, versions, strengths }: Comparison,
  painted: Painted,
  { evaluator, training }: Judging,
): Promise<MeasuredComparison> {
  const captions = await evaluator?.captions(
    prompts.map((prompt) => shown(prompt, versions.searched, strengths.searched)),
  )
  const captionOfPicture = seeds.flatMap(() => prompts.map((_, i) => i))
  const trainingVectors = evaluator && training.length > 0 ? await evaluator.pictures(training) : undefined
  const baseVectors = await evaluator?.pictures(painted.base.pictures)

  const measureCell = async (pictures: readonly Rgb8[]): Promise<MeasuredCell> => {
    const vectors = await evaluator?.pictures(pictures)
    const each = (score: (picture: number) => number) => pictures.map((_, i) => score(i))
    const clipScores = vectors && captions && each((i) => 100 * cosine(vectors, i, captions, captionOfPicture[i]!))
    const trainingSimilarities =
      vectors &&
      trainingVectors &&
      each((i) => mean(Array.from(training, (_, j) => cosine(vectors, i, trainingVectors, j))))
    const toBase = vectors && baseVectors && each((i) => cosine(vectors, i, baseVectors, i))
    const differences = training.length > 0 ? nearestDifferences(pictures, training) : undefined
    return {
      clipScore: clipScores && meanOf(clipScores),
      trainingSimilarity: trainingSimilarities && meanOf(trainingSimilarities),
      baseSimilarity: toBase && meanOf(toBase),
      nearCopies: differences && {
        share: shareOf(differences.filter((difference) => difference < copyDifference).length, pictures.length),
        nearest: Math.min(...differences),
      },
      ...looksOf(pictures),
      scores: { clipScores, trainingSimilarities },
    }
  }

  const cells: MeasuredCell[][] = []
  for (const row of painted.cells) {
    const measured: MeasuredCell[] = []
    for (const { pictures } of row) measured.push(await measureCell(pictures))
    cells.push(measured)
  }
  return {
    base: await measureCell(painted.base.pictures),
    cells,
    training: training.length > 0 ? looksOf(training) : undefined,
  }
}

/** What a prompt asks to see: without tags of networks, brackets and weights, and the words that stand for values. */
export function shown(prompt: string, ...words: readonly string[]): string {
  const plain = words.reduce((text, word) => text.replaceAll(word, ''), parseExtraNetworks(prompt).text)
  return parseEmphasis(plain, 'Original')
    .map((piece) => (isBreak(piece) ? ' ' : piece.text))
    .join('')
    .replace(/\s+/g, ' ')
    .replace(/(?:\s*,)+/g, ',')
    .replace(/^[\s,]+|[\s,]+$/g, '')
}

/** Detail by the variance of the Laplacian, colour by HSV's saturation, contrast by the deviation of grey. */
function looksOf(pictures: readonly Rgb8[]): Looks {
  const all = pictures.map((picture) => {
    const grey = toL(picture)
    return {
      detail: laplacianVariance(shrunkTo(grey, measuredSide)),
      saturation: meanSaturation(shrunkTo(picture, colourSide)),
      contrast: deviation(grey.data),
    }
  })
  // One is added so that an empty picture has a logarithm.
  const geometric = (of: (looks: Looks) => number) => Math.exp(mean(all.map((looks) => Math.log(1 + of(looks))))) - 1
  return {
    detail: geometric(({ detail }) => detail),
    saturation: geometric(({ saturation }) => saturation),
    contrast: geometric(({ contrast }) => contrast),
  }
}

function deviation(values: Uint8Array): number {
  let [sum, squares] = [0, 0]
  for (const value of values) {
    sum += value
    squares += value * value
  }
  const average = sum / values.length
  return Math.sqrt(Math.max(0, squares / values.length - average ** 2))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Of row `i` of one [N, D] and row `j` of another. */
function cosine(a: Tensor, i: number, b: Tensor, j: number): number {
  const width = a.shape[1]!
  let [dot, aa, bb] = [0, 0, 0]
  for (let k = 0; k < width; k++) {
    const [x, y] = [a.data[i * width + k]!, b.data[j * width + k]!]
    dot += x * y
    aa += x * x
    bb += y * y
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0
}
