import { mt19937 } from '../../../tensor/mt19937.ts'
import { nucleus } from './nucleus.ts'

/**
 * Reads one more token of each sentence and gives the scores of every token after it. `parents` says which sentence of
 * the call before each one goes on from: beams are dropped and doubled by it. The first call has the parent 0.
 */
export type Advance = (parents: readonly number[], tokens: readonly number[]) => Promise<readonly Float32Array[]>

/** How a sentence is looked for. Lengths are in tokens, those it begins with and its end included. */
export interface Search {
  readonly minLength: number
  readonly maxLength: number
  /** What the chances of words that are there already are divided by; 1 for none (Keskar et al. 2019, "CTRL"). */
  readonly repetitionPenalty: number
  readonly by: Beams | Nucleus
}

/** So many sentences at once, of which the likeliest is taken; one is the greedy way. */
interface Beams {
  readonly kind: 'beams'
  readonly beams: number
}

/** Words drawn from the likeliest that together have the chance `topP` (Holtzman et al. 2020). */
interface Nucleus {
  readonly kind: 'nucleus'
  readonly topP: number
  readonly seed: number
}

/** The sentence that goes on from the tokens `start`, with them, up to `end` or the greatest length. */
export async function writeSentence(
  advance: Advance,
  { start, end }: { readonly start: readonly number[]; readonly end: number },
  search: Search,
): Promise<readonly number[]> {
  let scores: readonly Float32Array[] = []
  for (const token of start) scores = await advance([0], [token])
  const { by } = search
  if (by.kind === 'beams' && by.beams > 1) return searchBeams(advance, scores[0]!, start, end, by.beams, search)

  const pick = by.kind === 'nucleus' ? drawing(by) : highest
  const sentence = [...start]
  for (;;) {
    const token = pick(restrained(scores[0]!, sentence, end, search))
    sentence.push(token)
    if (token === end || sentence.length >= search.maxLength) return sentence
    scores = await advance([0], [token])
  }
}

interface Beam {
  readonly sentence: readonly number[]
  /** The sum of the logarithms of its words' chances. */
  readonly total: number
}

/**
 * Beam search as Transformers does it: of the 2n likeliest continuations those among the first n that end are finished
 * sentences, and the first n of the others go on. Finished ones compare by the mean over the words that were added, and
 * the search ends when no sentence under way has a better mean than the worst of n finished ones.
 */
async function searchBeams(
  advance: Advance,
  first: Float32Array,
  start: readonly number[],
  end: number,
  beams: number,
  search: Search,
): Promise<readonly number[]> {
  let running: readonly Beam[] = [{ sentence: start, total: 0 }]
  let scores: readonly Float32Array[] = [first]
  let finished: readonly { readonly sentence: readonly number[]; readonly mean: number }[] = []
  for (;;) {
    const candidates = running
      .flatMap(({ sentence, total }, parent) => {
        const chances = restrained(logSoftmax(scores[parent]!), sentence, end, search)
        return bestOf(chances, 2 * beams).map((token) => ({ parent, token, total: total + chances[token]!, sentence }))
      })
      .sort((a, b) => b.total - a.total)
      .slice(0, 2 * beams)
    const length = running[0]!.sentence.length + 1
    const added = length - start.length
    const isOver = ({ token }: { readonly token: number }) => token === end || length >= search.maxLength

    const ended = candidates
      .slice(0, beams)
      .filter(isOver)
      .map(({ sentence, token, total }) => ({ sentence: [...sentence, token], mean: total / added }))
    finished = [...finished, ...ended].sort((a, b) => b.mean - a.mean).slice(0, beams)

    const next = candidates.filter((candidate) => !isOver(candidate)).slice(0, beams)
    const isBeaten = finished.length === beams && next.length > 0 && next[0]!.total / added <= finished.at(-1)!.mean
    if (next.length === 0 || isBeaten) return finished[0]!.sentence
    running = next.map(({ sentence, token, total }) => ({ sentence: [...sentence, token], total }))
    scores = await advance(
      next.map(({ parent }) => parent),
      next.map(({ token }) => token),
    )
  }
}

/** Scores after the penalty on words that were there; none for the end while the sentence is too short. */
export function restrained(
  scores: Float32Array,
  sentence: readonly number[],
  end: number,
  { repetitionPenalty, minLength }: Search,
): Float32Array {
  const result = scores.slice()
  for (const token of new Set(sentence)) {
    const score = result[token]!
    result[token] = score < 0 ? score * repetitionPenalty : score / repetitionPenalty
  }
  if (sentence.length < minLength) result[end] = Number.NEGATIVE_INFINITY
  return result
}

function drawing({ topP, seed }: Nucleus): (scores: Float32Array) => number {
  const next = mt19937(seed)
  return (scores) => {
    const chances = nucleus(scores, topP)
    let left = (next() >>> 0) / 2 ** 32
    for (const { token, chance } of chances) {
      left -= chance
      if (left < 0) return token
    }
    // Rounding may leave the chances a little short of one.
    return chances.at(-1)!.token
  }
}

function highest(scores: Float32Array): number {
  return scores.reduce((best, score, token) => (score > scores[best]! ? token : best), 0)
}

/** The tokens of the highest scores, the highest first. */
function bestOf(scores: Float32Array, count: number): readonly number[] {
  return [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, count)
}

function logSoftmax(scores: Float32Array): Float32Array {
  const top = scores[highest(scores)]!
  const sum = scores.reduce((total, score) => total + Math.exp(score - top), 0)
  return scores.map((score) => score - top - Math.log(sum))
}
