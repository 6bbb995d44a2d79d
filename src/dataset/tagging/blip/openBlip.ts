import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StudioError } from '../../../errors.ts'
import { badFile } from '../../../files/badFile.ts'
import { openWeights } from '../../../files/openWeights.ts'
import { readSmallText } from '../../../files/smallText.ts'
import type { Rgb8 } from '../../../image/picture.ts'
import { resample } from '../../../image/resample.ts'
import { type Blip, detectBlip } from '../../../models/blip.ts'
import { pastName, pictureGraph, pictureNames, wordGraph, wordNames } from '../../../models/blipGraphs.ts'
import { compile } from '../../../runtime/compile.ts'
import type { Feed, Session } from '../../../runtime/session.ts'
import type { Tensor } from '../../../tensor/tensor.ts'
import { createWordPieces, type WordPieces } from '../../../text/wordPieces.ts'
import { clipDeviation, clipMean } from '../clip.ts'
import { toInput } from '../square.ts'
import { type Advance, type Search, writeSentence } from './writeSentence.ts'

/** What a sentence begins with, and how the rest of it is looked for. */
export interface Captioning extends Search {
  /** Words that the model goes on from; they are not part of the caption. */
  readonly prompt: string
}

/** How kohya's trainer asks a BLIP (A1111: 24 to 48 tokens). */
export const usualCaptioning: Captioning = {
  prompt: 'a picture of ',
  minLength: 5,
  maxLength: 75,
  repetitionPenalty: 1,
  by: { kind: 'beams', beams: 1 },
}

/** Writes a sentence about a picture. */
export interface Captioner {
  caption(source: Rgb8): Promise<string>
  dispose(): Promise<void>
}

/**
 * Opens a BLIP that captions pictures, as Salesforce (`model_base_caption_capfilt_large.pth`) or Transformers publish it.
 * A `vocab.txt` beside the model takes the place of BERT's vocabulary.
 */
export async function openBlip(
  path: string,
  { prompt, ...search }: Captioning,
  { threads }: { readonly threads: number },
): Promise<Captioner> {
  const model = detectBlip(openWeights(path))
  const { pieces, first, end } = vocabularyOf(path, model)
  const start = [first, ...pieces.encode(prompt)]
  checkSearch(start.length, search, model)
  const options = { residence: 'auto', threads } as const
  const eye = await compile(pictureGraph(model), options)
  const pen = await compile(wordGraph(model), options)
  return {
    async caption(source) {
      const seen = await eye.run({ picture: blipInput(source, model.vision.side) })
      const sentence = await writeSentence(reader(pen, seen, model), { start, end }, search)
      return pieces.decode(sentence.slice(start.length))
    },
    async dispose() {
      await eye.dispose()
      await pen.dispose()
    },
  }
}

/** A picture as BLIP was trained on: both sides brought to the model's, and CLIP's means and deviations. */
export function blipInput(source: Rgb8, side: number): Tensor {
  return toInput(resample(source, side, side, 'bicubic'), {
    order: 'rgb',
    layout: 'nchw',
    scale: (byte, channel) => (byte / 255 - clipMean[channel]!) / clipDeviation[channel]!,
  })
}

/** Reads token after token, and keeps what the model has made of those before. */
export function reader(pen: Session, seen: Readonly<Record<string, Tensor>>, { text }: Blip): Advance {
  const layers = Array.from({ length: text.layers }, (_, layer) => layer)
  const picture = Object.fromEntries(layers.flatMap(pictureNames).map((name) => [name, seen[name]!]))
  const names = layers.flatMap(wordNames)
  const nothing: Tensor = { shape: [1, 0, text.width], data: new Float32Array(0) }
  let past: Readonly<Record<string, Tensor>> = Object.fromEntries(names.map((name) => [name, nothing]))
  let position = 0
  return async (parents, tokens) => {
    const feeds: Record<string, Feed> = {
      ...picture,
      tokens: { shape: [tokens.length], data: BigInt64Array.from(tokens, BigInt) },
      position: { shape: [1], data: BigInt64Array.of(BigInt(position++)) },
    }
    for (const name of names) feeds[pastName(name)] = rows(past[name]!, parents)
    const results = await pen.run(feeds)
    past = results
    const logits = results.logits!
    const { vocabulary } = text
    return tokens.map((_, i) => logits.data.subarray(i * vocabulary, (i + 1) * vocabulary))
  }
}

/** Rows of a tensor by number; itself where they are all of its rows in order. */
function rows(source: Tensor, numbers: readonly number[]): Tensor {
  const [count, ...rest] = source.shape
  if (numbers.length === count && numbers.every((number, i) => number === i)) return source
  const size = source.data.length / count!
  const data = new Float32Array(numbers.length * size)
  for (const [i, number] of numbers.entries())
    data.set(source.data.subarray(number * size, (number + 1) * size), i * size)
  return { shape: [numbers.length, ...rest], data }
}

const mostBeams = 32

function checkSearch(start: number, search: Search, { text }: Blip): void {
  const { minLength, maxLength, repetitionPenalty, by } = search
  const refuse = (field: string, problem: string) => {
    throw new StudioError('bad-request', `${field}: ${problem}`, { field })
  }
  if (maxLength > text.positions)
    refuse('max length', `${maxLength} tokens, this model writes at most ${text.positions}`)
  if (minLength > maxLength) refuse('min length', `${minLength} tokens, more than the greatest length ${maxLength}`)
  if (start >= maxLength) refuse('prompt', `${start} tokens, expected fewer than the greatest length ${maxLength}`)
  if (!(repetitionPenalty > 0)) refuse('repetition penalty', `${repetitionPenalty}, expected more than 0`)
  if (by.kind === 'nucleus') {
    if (!(by.topP > 0 && by.topP <= 1)) refuse('top p', `${by.topP}, expected more than 0, at most 1`)
  } else if (!(by.beams >= 1 && by.beams <= mostBeams)) refuse('beams', `${by.beams}, expected 1 to ${mostBeams}`)
}

interface Vocabulary {
  readonly pieces: WordPieces
  /** The token that BLIP's sentences begin with, and the one that ends them. */
  readonly first: number
  readonly end: number
}

const largestList = 16 << 20
const bertList = fileURLToPath(new URL('../../../../assets/bert-vocabulary.txt', import.meta.url))

/** BLIP adds `[DEC]` and `[ENC]` to BERT's vocabulary, in this order, where the list has them not already. */
function vocabularyOf(path: string, { text }: Blip): Vocabulary {
  const own = join(dirname(path), 'vocab.txt')
  const list = existsSync(own) ? own : bertList
  const lines = readSmallText(list, largestList).split(/\r?\n/)
  const pieces = createWordPieces(lines.at(-1) === '' ? lines.slice(0, -1) : lines)
  const listed = pieces.tokenOf('[DEC]')
  const expected = listed === undefined ? pieces.size + 2 : pieces.size
  if (text.vocabulary !== expected) {
    const where = list === own ? 'vocab.txt beside it' : 'BERT’s vocabulary, as there is no vocab.txt beside it,'
    const problem = `knows ${text.vocabulary} tokens, but ${where} gives ${expected}; expected the vocab.txt of this model beside it`
    throw new StudioError('wrong-architecture', `${basename(path)}: ${problem}`, { field: 'vocab.txt' })
  }
  const end = pieces.tokenOf('[SEP]')
  if (end === undefined) throw badFile(list, 'has no [SEP], expected a vocabulary of BERT')
  return { pieces, first: listed ?? pieces.size, end }
}
